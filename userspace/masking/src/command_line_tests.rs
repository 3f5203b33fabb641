//! One command line a row; what is secret stands between `«` and `»` in what is wanted.

use super::*;

fn marked(argv: &[&str]) -> Vec<String> {
    let argv: Vec<String> = argv.iter().map(|argument| (*argument).to_owned()).collect();
    let mark = |(argument, ranges): (&String, Vec<Range<usize>>)| {
        let mut text = argument.clone();
        for range in ranges.into_iter().rev() {
            text.insert(range.end, '»');
            text.insert(range.start, '«');
        }
        text
    };
    argv.iter().zip(secrets(&argv)).map(mark).collect()
}

/// `wanted` is the command line with its secrets marked.
fn check(wanted: &[&str]) {
    let bare: Vec<String> = wanted.iter().map(|w| w.replace(['«', '»'], "")).collect();
    let bare: Vec<&str> = bare.iter().map(String::as_str).collect();
    assert_eq!(marked(&bare), wanted);
}

// table: one test a row.
macro_rules! rows {
    ($($name:ident: [$($argument:expr),* $(,)?],)*) => {
        $(#[test]
        fn $name() {
            check(&[$($argument),*]);
        })*
    };
}

mod found {
    use super::*;
    rows! {
        a_variable_of_env: ["env", "PGPASSWORD=«x»", "psql", "-h", "db"],
        a_variable_of_docker: ["docker", "run", "-e", "DB_PASS=«x»", "-eMYSQL_PWD=«y»", "image"],
        a_variable_in_an_option: ["run", "--env=API_KEY=«1»"],
        a_make_variable: ["make", "TOKEN=«abc»", "deploy"],
        with_a_blank: ["env", "SECRET=«two words»"],
        an_option: ["tool", "--password=«x»"],
        an_option_and_its_value: ["tool", "--password", "«x»", "go"],
        underscores: ["tool", "--db_password", "«x»"],
        one_dash: ["keytool", "-storepass", "«changeit»", "-list"],
        camel_case: ["tool", "--clientSecret=«x»"],
        an_access_key: ["tool", "--secret-access-key", "«x»"],
        mysql: ["mysql", "-uroot", "-p«root»", "shop"],
        mysql_by_path_behind_sudo: ["sudo", "/usr/bin/mysqldump", "-p«x»"],
        sshpass: ["sshpass", "-p", "«x»", "ssh", "-p", "22", "host"],
        docker_login: ["docker", "login", "-u", "me", "-p", "«x»", "registry"],
        redis: ["redis-cli", "-h", "cache", "-a", "«x»"],
        curl_user: ["curl", "-u", "me:«x»", "http://example.com/"],
        curl_user_attached: ["curl", "-ume:«x»"],
        curl_user_long: ["curl", "--user", "me:«x»"],
        curl_cookie: ["curl", "-b", "sid=«1»"],
        curl_certificate: ["curl", "--cert", "me.pem:«x»"],
        basic: ["curl", "-H", "Authorization: Basic «bWU6eA==»"],
        basic_attached: ["curl", "-HAuthorization: Bearer «x»"],
        basic_long: ["curl", "--header=Proxy-Authorization: Basic «x»"],
        a_header_with_a_token: ["curl", "-H", "PRIVATE-TOKEN: «x»", "-H", "X-Api-Key:«y»"],
        a_cookie: ["curl", "-H", "Cookie: «a=b; c=d»"],
        httpie: ["http", "-a", "me:«x»", "example.com"],
        openssl: ["openssl", "rsa", "-passin", "pass:«x»", "-in", "key.pem"],
        smb: ["smbclient", "-U", "me%«x»", "//host/share"],
        ldap: ["ldapsearch", "-D", "cn=me", "-w", "«x»"],
        a_url: ["psql", "postgres://me:«x»@db/shop"],
        a_url_with_an_at: ["git", "clone", "https://me:«p@ss:w»@example.com/r.git"],
        a_token_for_a_user: ["git", "clone", "https://«0123456789abcdef0123»@example.com/r.git"],
        a_query: ["curl", "http://example.com/?a=1&token=«x»&b=2"],
        a_form: ["curl", "-d", "user=me&password=«x»&go=1"],
        json: ["curl", "-d", r#"{"user":"me", "password": "«x y»", "n":1}"#],
        conninfo: ["psql", "host=db password=«x» user=me"],
        go_data_source: ["tool", "me:«x»@tcp(db:3306)/shop"],
        a_literal_of_kubectl: ["kubectl", "create", "secret", "generic", "a", "--from-literal=password=«x»"],
        a_script: ["sh", "-c", "PGPASSWORD=«x» psql -h db; mysql -p«y» && curl -u me:«z» u"],
        quotes_in_a_script: ["bash", "-lc", r#"tool --password "«a b»" --token='«c d»' -x"#],
        a_header_in_a_script: ["sh", "-c", "curl -H 'Authorization: Basic «x»' http://h/"],
        a_script_in_a_script: ["sh", "-c", "bash -c 'PGPASSWORD=«x» psql'; true"],
        an_open_quote: ["sh", "-c", "tool --password '«x»"],
        a_header_in_a_setting_of_git: ["git", "-c", "http.extraheader=AUTHORIZATION: basic «eA==»", "fetch"],
    }
}

mod left {
    use super::*;
    rows! {
        a_file: ["tool", "--password-file", "x", "--token-path=y"],
        stdin: ["docker", "login", "--password-stdin", "registry"],
        no_password: ["psql", "--no-password", "shop"],
        a_flag_before_a_flag: ["tool", "--password", "--verbose"],
        a_port: ["psql", "-p", "5432"],
        a_port_of_mysql: ["mysql", "-P", "3306", "-p", "shop"],
        ports_of_docker: ["docker", "run", "-p", "80:80", "image"],
        parents: ["mkdir", "-p", "a/b"],
        where_a_shell_is: ["env", "PWD=/work", "OLDPWD=/", "go"],
        words_within: ["env", "COMPASS=north", "MONKEY=1", "TOKENIZERS_PARALLELISM=false"],
        a_reference: ["sh", "-c", "curl -u me:$PW -H \"Authorization: Bearer $TOKEN\" u"],
        a_place: ["openssl", "rsa", "-passin", "env:PW", "-passout", "file:x"],
        a_secret_of_a_build: ["docker", "build", "--secret", "id=npm,src=.npmrc", "."],
        a_switch: ["tool", "--secret=true", "SAVE_PASSWORD=no"],
        nothing: ["tool", "--password=", "TOKEN="],
        a_url_without_a_user: ["curl", "http://example.com:80/a@b?c=d"],
        a_user_of_git: ["git", "clone", "ssh://git@example.com/r.git", "https://me@example.com/r"],
        an_address: ["mail", "me@example.com", "--to=me@example.com"],
        a_header_of_no_secret: ["curl", "-H", "Content-Type: text/plain", "-H", "Accept: */*"],
        a_user_without_a_password: ["curl", "-u", "me", "u"],
        a_cookie_file: ["curl", "-b", "cookies.txt", "u"],
        a_commit: ["git", "commit", "-m", "drop the password and the token"],
        times: ["date", "-d", "12:30", "secret"],
        an_identifier: ["env", "AWS_ACCESS_KEY_ID=x", "SECRET_NAME=y", "TOKEN_URL=http://h/"],
        nothing_at_all: [],
    }
}

#[test]
fn scripts_are_looked_into_up_to_a_depth() {
    let nested = |depth: usize| {
        let inner = "go --password x".to_owned();
        (1..depth).fold(inner, |script, level| {
            let quote = if level % 2 == 0 { '"' } else { '\'' };
            format!("sh -c {quote}{script}{quote}")
        })
    };
    let found = |depth| {
        let argv = ["sh", "-c", &nested(depth)].map(str::to_owned);
        secrets(&argv).concat().len()
    };
    assert_eq!((found(1), found(2), found(3)), (1, 1, 1));
    found(MAX_SCRIPT_DEPTH + 6);
}

#[test]
fn any_words_do_not_panic_and_ranges_are_of_the_text() {
    let pieces = [
        "\"",
        "'",
        "=",
        ":",
        "@",
        "://",
        "-p",
        "-c",
        "--password",
        "ü",
        " ",
        ";",
        "$",
        "x",
        "@tcp(",
        "-H",
    ];
    for a in pieces {
        for b in pieces {
            for c in pieces {
                let line = [
                    "curl".to_owned(),
                    "-c".to_owned(),
                    [a, b, c].concat(),
                    [c, a, b].concat(),
                ];
                for (argument, ranges) in line.iter().zip(secrets(&line)) {
                    assert!(
                        ranges.iter().all(|r| argument.get(r.clone()).is_some()),
                        "{line:?}"
                    );
                }
            }
        }
    }
}
