//! Rules that open more than their author hardly wants.

use crate::diagnostic::Span;
use crate::glob::Glob;
use crate::lint::{Findings, Lint};
use crate::rule::Rule;

/// Suffixes below which anybody can take a name. A choice of the most used ones; single labels
/// (`com`) are all of them suffixes.
const PUBLIC_SUFFIXES: &[&str] = &[
    "ac.uk",
    "amazonaws.com",
    "appspot.com",
    "azureedge.net",
    "azurewebsites.net",
    "blob.core.windows.net",
    "cloudapp.net",
    "cloudfront.net",
    "co.in",
    "co.jp",
    "co.kr",
    "co.nz",
    "co.uk",
    "co.za",
    "com.au",
    "com.br",
    "com.cn",
    "com.mx",
    "com.tr",
    "fastly.net",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "githubusercontent.com",
    "gitlab.io",
    "glitch.me",
    "googleapis.com",
    "gov.uk",
    "herokuapp.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.io",
    "onrender.com",
    "org.uk",
    "pages.dev",
    "r2.dev",
    "railway.app",
    "repl.co",
    "run.app",
    "s3.amazonaws.com",
    "storage.googleapis.com",
    "surge.sh",
    "trycloudflare.com",
    "vercel.app",
    "web.app",
    "windows.net",
    "workers.dev",
];

/// Places where anybody can leave data, or collect what is sent.
const PASTE_HOSTS: &[&str] = &[
    "0x0.st",
    "anonfiles.com",
    "bashupload.com",
    "beeceptor.com",
    "catbox.moe",
    "controlc.com",
    "dpaste.org",
    "file.io",
    "gist.github.com",
    "gofile.io",
    "hastebin.com",
    "interact.sh",
    "ix.io",
    "oast.fun",
    "oshi.at",
    "paste.ee",
    "paste.rs",
    "pastebin.com",
    "pipedream.net",
    "privatebin.net",
    "rentry.co",
    "requestbin.com",
    "temp.sh",
    "tempfile.me",
    "termbin.com",
    "transfer.sh",
    "webhook.site",
    "wetransfer.com",
];

impl Findings<'_> {
    pub(super) fn opens_much(&mut self, rule: &Rule, place: (&str, Span)) {
        let what = &rule.case.what;
        let anywhere = what.host.is_empty() && what.cidr.is_empty();
        let all_hosts = what.host.iter().any(Glob::matches_all);
        let anybody = rule.case.who.is_none();
        let any_operation = !what.looks_inside() && what.protocol.is_empty();
        let any_port = what.port.is_empty();
        if (anywhere || all_hosts) && any_operation && any_port && anybody {
            let fix = "name a host, a protocol or a process";
            self.note(
                Lint::AllowsAll,
                place,
                "it allows everything to everybody",
                fix,
            );
        }
        if what.names_opaque() && (anywhere || all_hosts) {
            let message = "it lets streams that are not understood go to any host";
            let fix = "name hosts or networks: `host:` or `cidr:`";
            self.note(Lint::OpaqueAnywhere, place, message, fix);
        }
        for glob in &what.host {
            self.host(glob, place);
        }
    }

    fn host(&mut self, glob: &Glob, place: (&str, Span)) {
        let text = glob.text();
        let below = text.trim_start_matches(['*', '.']);
        let starred = text.starts_with('*');
        let dotted = text.trim_start_matches('*').starts_with('.');
        if glob.matches_all() {
            return;
        }
        if starred && (!below.contains('.') || PUBLIC_SUFFIXES.contains(&below)) {
            let message = format!("`{text}` allows names that anybody can register below {below}");
            let fix = "name the hosts that the job needs";
            return self.note(Lint::PublicSuffix, place, message, fix);
        }
        if let Some(paste) = PASTE_HOSTS.iter().find(|host| glob.matches(host)) {
            let message = format!("`{text}` allows {paste}, where anybody can leave data");
            let fix = "name the one host that the job needs, and the paths on it";
            self.note(Lint::PasteHost, place, message, fix);
        }
        if starred && !dotted {
            let message = format!("`{text}` also allows evil{below}");
            let fix = format!("a dot behind the star: `*.{below}`, and `{below}` itself");
            self.note(Lint::LooseHost, place, message, fix);
        }
    }

    /// Characters that other tools' globs give a meaning.
    pub(super) fn not_special(&mut self, rule: &Rule, place: (&str, Span)) {
        let what = &rule.case.what;
        let who = rule.case.who.as_ref();
        let paths = what.http.iter().flat_map(|http| &http.path);
        let programs = who
            .into_iter()
            .flat_map(|who| who.image.exe.iter().chain(&who.via));
        for glob in paths.chain(programs) {
            if glob.text().contains(['?', '[', '{']) {
                let message = format!("`{glob}`: `?`, `[` and `{{` stand for themselves here");
                let fix = "only `*` and `**` are special; write alternatives as a list";
                self.note(Lint::NotSpecial, place, message, fix);
            }
        }
    }
}
