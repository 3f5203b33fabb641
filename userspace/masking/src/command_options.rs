//! Options of well-known programs whose name does not say that a secret follows.

/// What of an option's value is secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// `user:SECRET`
    AfterColon,
    /// `user%SECRET`
    AfterPercent,
    /// `name=SECRET`
    AfterEquals,
    /// `pass:SECRET`; `env:`, `file:` and the like name a place.
    AfterPass,
}

/// An option of some programs.
pub(crate) struct OptionRule {
    pub(crate) programs: &'static [&'static str],
    pub(crate) option: &'static str,
    /// The value may stand in the same word, right behind the option.
    pub(crate) attached: bool,
    /// The value may be the next word.
    pub(crate) separate: bool,
    pub(crate) part: Part,
}

const MYSQL: &[&str] = &[
    "mysql",
    "mysqldump",
    "mysqladmin",
    "mysqlimport",
    "mysqlshow",
    "mysqlcheck",
    "mysqlbinlog",
    "mysqlslap",
    "mariadb",
    "mariadb-dump",
    "mariadb-admin",
    "mariadb-import",
    "mariadb-check",
    "mycli",
];
const MONGO: &[&str] = &[
    "mongo",
    "mongosh",
    "mongodump",
    "mongorestore",
    "mongoexport",
    "mongoimport",
];
const LDAP: &[&str] = &[
    "ldapsearch",
    "ldapadd",
    "ldapmodify",
    "ldapdelete",
    "ldapwhoami",
    "ldappasswd",
];
const REDIS: &[&str] = &["redis-cli", "valkey-cli", "keydb-cli"];
const MSSQL: &[&str] = &["sqlcmd", "bcp"];
const SMB: &[&str] = &["smbclient", "rpcclient", "smbget"];

const fn rule(
    programs: &'static [&'static str],
    option: &'static str,
    attached: bool,
    separate: bool,
    part: Part,
) -> OptionRule {
    OptionRule {
        programs,
        option,
        attached,
        separate,
        part,
    }
}

/// All of them.
pub(crate) const OPTIONS: &[OptionRule] = &[
    // `-p x` of mysql is a prompt and a database.
    rule(MYSQL, "-p", true, false, Part::Whole),
    rule(MONGO, "-p", true, true, Part::Whole),
    rule(&["sshpass"], "-p", true, true, Part::Whole),
    // docker, podman, helm registry, az, oc
    rule(&["login"], "-p", false, true, Part::Whole),
    rule(&["7z", "7za", "7zr"], "-p", true, false, Part::Whole),
    rule(&["zip", "unzip"], "-P", true, true, Part::Whole),
    rule(MSSQL, "-P", true, true, Part::Whole),
    rule(REDIS, "-a", false, true, Part::Whole),
    rule(LDAP, "-w", true, true, Part::Whole),
    rule(SMB, "-U", true, true, Part::AfterPercent),
    rule(&["curl"], "-u", true, true, Part::AfterColon),
    rule(&["curl"], "--user", false, true, Part::AfterColon),
    rule(&["curl"], "--user=", true, false, Part::AfterColon),
    rule(&["curl"], "-U", true, true, Part::AfterColon),
    rule(&["curl"], "--proxy-user", false, true, Part::AfterColon),
    rule(&["curl"], "--proxy-user=", true, false, Part::AfterColon),
    rule(&["curl"], "-E", true, true, Part::AfterColon),
    rule(&["curl"], "--cert", false, true, Part::AfterColon),
    rule(&["curl"], "-b", true, true, Part::AfterEquals),
    rule(&["curl"], "--cookie", false, true, Part::AfterEquals),
    rule(&["http", "https", "xh"], "-a", true, true, Part::AfterColon),
    rule(
        &["http", "https", "xh"],
        "--auth",
        false,
        true,
        Part::AfterColon,
    ),
    rule(
        &["http", "https", "xh"],
        "--auth=",
        true,
        false,
        Part::AfterColon,
    ),
    rule(&["openssl"], "-pass", false, true, Part::AfterPass),
    rule(&["openssl"], "-passin", false, true, Part::AfterPass),
    rule(&["openssl"], "-passout", false, true, Part::AfterPass),
    rule(&["openssl"], "-k", false, true, Part::Whole),
    rule(&["openssl"], "-K", false, true, Part::Whole),
];

/// Programs with options of their own that stand behind others: `sshpass -p x ssh -p 22`.
const PLAIN: &[&str] = &["ssh", "scp", "sftp", "rsync", "psql"];

/// The program that a word names, where its options are known.
pub(crate) fn known_program(word: &str) -> Option<&'static str> {
    let name = word.rsplit('/').next().unwrap_or(word);
    let mut known = OPTIONS.iter().flat_map(|rule| rule.programs).chain(PLAIN);
    known.find(|program| **program == name).copied()
}
