//! Listeners, and the threads that serve them: one runtime a core. One thread accepts, and
//! gives each connection to the thread with the fewest flows. There is no `SO_REUSEPORT`: a job
//! could take part in it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::account::write_waiting;
use crate::error::ProxyError;
use crate::path::flow;
use crate::priority::ahead_of_jobs;
use crate::proxy::{FlowPlace, Proxy};
use crate::resolver;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 4096;

/// The sockets that the kernel side redirects to.
pub struct Listeners {
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
}

/// Ports of the [`Listeners`]; 0 where the host has no IPv6 loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// TCP on 127.0.0.1.
    pub tcp4: u16,
    /// TCP on ::1.
    pub tcp6: u16,
    /// UDP on 127.0.0.1.
    pub dns4: u16,
    /// UDP on ::1.
    pub dns6: u16,
}

impl Listeners {
    /// Binds to free ports of 127.0.0.1 and ::1.
    ///
    /// # Errors
    /// When 127.0.0.1 cannot be bound. Without IPv6 its ports are 0, and the kernel side
    /// refuses connects over IPv6.
    pub fn bind() -> Result<(Self, Ports), ProxyError> {
        let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
        let tcp4 = listen(v4).map_err(ProxyError::host("bind 127.0.0.1 for TCP"))?;
        let dns4 = UdpSocket::bind(v4).map_err(ProxyError::host("bind 127.0.0.1 for DNS"))?;
        let port = |address: io::Result<SocketAddr>| {
            address
                .map(|a| a.port())
                .map_err(ProxyError::host("ask for a bound port"))
        };
        let mut ports = Ports {
            tcp4: port(tcp4.local_addr())?,
            tcp6: 0,
            dns4: port(dns4.local_addr())?,
            dns6: 0,
        };
        let mut listeners = Self {
            tcp: vec![tcp4],
            udp: vec![dns4],
        };
        if let (Ok(tcp6), Ok(dns6)) = (listen(v6), UdpSocket::bind(v6)) {
            ports.tcp6 = port(tcp6.local_addr())?;
            ports.dns6 = port(dns6.local_addr())?;
            listeners.tcp.push(tcp6);
            listeners.udp.push(dns6);
        }
        Ok((listeners, ports))
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.bind(&address.into())?;
    // Accepted sockets inherit it. On loopback BBR costs more than half of the throughput.
    if let Err(error) = socket
        .set_tcp_congestion(b"cubic")
        .or_else(|_| socket.set_tcp_congestion(b"reno"))
    {
        tracing::debug!(%error, "the congestion control of the host stays");
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What every connection of the gate is set to.
pub(crate) fn tune(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays with Nagle's algorithm");
    }
    let loopback = stream
        .peer_addr()
        .is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    if loopback {
        let socket = SockRef::from(stream);
        let _ = socket
            .set_tcp_congestion(b"cubic")
            .or_else(|_| socket.set_tcp_congestion(b"reno"));
    }
}

/// The threads that serve. Dropping it stops them; open flows end as aborted.
pub struct Serving {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Stops accepting, ends open flows, waits for the threads.
    pub fn stop(mut self) {
        self.stop_now();
    }

    fn stop_now(&mut self) {
        let _ = self.stop.send(true);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a serving thread had panicked");
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop_now();
    }
}

/// Serves flows on `threads` threads.
///
/// # Errors
/// When a thread or its runtime cannot be made.
pub fn serve(
    proxy: &Arc<Proxy>,
    listeners: &Listeners,
    threads: usize,
) -> Result<Serving, ProxyError> {
    let (stop, stopped) = watch::channel(false);
    let mut serving = Serving {
        stop,
        threads: Vec::new(),
    };
    let (seats, mut duties): (Vec<Seat>, Vec<Duties>) =
        (0..threads.max(1)).map(|_| seat_and_duties()).unzip();
    if let Some(first) = duties.first_mut() {
        first.tcp = shares(&listeners.tcp, nonblocking_tcp)?;
    }
    // The thread that does not accept, where there are two.
    if let Some(last) = duties.last_mut() {
        last.udp = shares(&listeners.udp, nonblocking_udp)?;
    }
    let seats: Arc<[Seat]> = seats.into();
    for (number, mine) in duties.into_iter().enumerate() {
        let (proxy, seats, stopped) = (Arc::clone(proxy), Arc::clone(&seats), stopped.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ProxyError::host("make a runtime"))?;
        let thread = std::thread::Builder::new()
            .name(format!("sluice-flows-{number}"))
            .spawn(move || {
                ahead_of_jobs();
                LocalSet::new().block_on(&runtime, mine.serve(proxy, seats, stopped));
            })
            .map_err(ProxyError::host("start a thread"))?;
        serving.threads.push(thread);
    }
    Ok(serving)
}

fn seat_and_duties() -> (Seat, Duties) {
    let (hand_over, taken) = mpsc::unbounded_channel();
    let seat = Seat {
        open: Arc::default(),
        hand_over,
    };
    let duties = Duties {
        tcp: Vec::new(),
        udp: Vec::new(),
        taken,
    };
    (seat, duties)
}

fn shares<T>(all: &[T], share: fn(&T) -> io::Result<T>) -> Result<Vec<T>, ProxyError> {
    let shared: io::Result<Vec<T>> = all.iter().map(share).collect();
    shared.map_err(ProxyError::host("share a listener"))
}

fn nonblocking_tcp(listener: &TcpListener) -> io::Result<TcpListener> {
    let mine = listener.try_clone()?;
    mine.set_nonblocking(true)?;
    Ok(mine)
}

fn nonblocking_udp(socket: &UdpSocket) -> io::Result<UdpSocket> {
    let mine = socket.try_clone()?;
    mine.set_nonblocking(true)?;
    Ok(mine)
}

/// Where flows are served: one a thread.
struct Seat {
    /// Flows that are open on it.
    open: Arc<AtomicUsize>,
    hand_over: mpsc::UnboundedSender<Accepted>,
}

/// A connection on its way to the thread that serves it.
struct Accepted {
    client: std::net::TcpStream,
    peer: SocketAddr,
    place: FlowPlace,
}

/// What one thread does beside serving flows.
struct Duties {
    /// Listeners that it accepts on: all are one thread's, because every thread that waited on
    /// them would be woken by every connection.
    tcp: Vec<TcpListener>,
    udp: Vec<UdpSocket>,
    taken: mpsc::UnboundedReceiver<Accepted>,
}

impl Duties {
    async fn serve(
        mut self,
        proxy: Arc<Proxy>,
        seats: Arc<[Seat]>,
        mut stopped: watch::Receiver<bool>,
    ) {
        for listener in self.tcp {
            tokio::task::spawn_local(accept(Arc::clone(&proxy), Arc::clone(&seats), listener));
        }
        for socket in self.udp {
            tokio::task::spawn_local(resolver::serve_udp(Arc::clone(&proxy), socket));
        }
        tokio::task::spawn_local(write_waiting());
        tokio::task::spawn_local(async move {
            while let Some(accepted) = self.taken.recv().await {
                let Accepted {
                    client,
                    peer,
                    place,
                } = accepted;
                match TcpStream::from_std(client) {
                    Ok(client) => begin(&proxy, client, peer, place),
                    Err(error) => tracing::error!(%error, "a connection is dropped"),
                }
            }
        });
        // A dropped sender stops as well.
        let _ = stopped.wait_for(|stop| *stop).await;
    }
}

/// Takes connections in, and gives each to the thread with the fewest flows; this thread is the
/// first of them, and keeps what no other has more room for.
async fn accept(proxy: Arc<Proxy>, seats: Arc<[Seat]>, listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "a listener is not served"),
    };
    loop {
        let (client, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors: what is waiting stays in the backlog until flows end.
                tracing::warn!(%error, "accept");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                continue;
            }
        };
        let by_room = |(_, seat): &(usize, &Seat)| seat.open.load(Ordering::Relaxed);
        let Some((number, seat)) = seats.iter().enumerate().min_by_key(by_room) else {
            return;
        };
        let Some(place) = proxy.take_place(&seat.open) else {
            let _ = SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO));
            continue;
        };
        if number == 0 {
            begin(&proxy, client, peer, place);
        } else if let Ok(client) = client.into_std() {
            let accepted = Accepted {
                client,
                peer,
                place,
            };
            // A thread that takes none is ending, and so is the gate.
            let _ = seat.hand_over.send(accepted);
        }
    }
}

/// Serves a connection on this thread.
fn begin(proxy: &Arc<Proxy>, client: TcpStream, peer: SocketAddr, place: FlowPlace) {
    tune(&client);
    let proxy = Arc::clone(proxy);
    tokio::task::spawn_local(async move {
        flow(proxy, client, peer).await;
        drop(place);
    });
}
