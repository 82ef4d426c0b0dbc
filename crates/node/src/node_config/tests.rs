use super::*;

fn parse(text: &str) -> Result<NodeConfig, ConfigError> {
    NodeConfig::parse(Path::new("dir/motet.toml"), text)
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn what_is_printed_is_what_stands_without_it() {
    let printed = parse(PRINTED).unwrap();
    let least = parse("role = 'producer'").unwrap();
    assert_eq!(format!("{printed:?}"), format!("{least:?}"));
}

#[test]
fn every_commented_key_is_one() {
    // A line such as `# key = value` or `# [table]`, which becomes one of the file.
    let is_key = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        line.contains(" = ") && is_name || line.starts_with('[') && line.ends_with(']')
    };
    let mut opened = String::new();
    for line in PRINTED.lines() {
        match line.strip_prefix("# ").filter(|line| is_key(line)) {
            Some(key) => opened.push_str(key),
            None => opened.push_str(line),
        }
        opened.push('\n');
    }
    let opened = opened.replace("mining = \"on-demand\"", "mining = \"interval\"");
    // All at once contradicts itself, after every key was understood.
    let error = parse(&opened).unwrap_err();
    assert_eq!(error.key, "follower", "{error}");
}

#[test]
fn errors_name_line_and_key() {
    assert_eq!(
        error("role = 'producer'\n\n[rpc]\nprot = 8545\n").split(", expected").next(),
        Some("dir/motet.toml:4: rpc.prot: unknown field `prot`")
    );
    assert!(
        error("role = 'producer'\n[rpc]\nport = 99999\n").starts_with("dir/motet.toml:3: rpc.port: invalid value"),
        "{}",
        error("role = 'producer'\n[rpc]\nport = 99999\n")
    );
    assert!(error("role = 'leader'\n").starts_with("dir/motet.toml:1: role: unknown variant `leader`"));
    assert!(error("role = 'producer'\nroel = 1\n").starts_with("dir/motet.toml:2: roel: unknown field"));
    assert!(error("[rpc]\nport = 1\n").contains("missing field `role`"));
    let text = "role = 'producer'\n[producer]\nmining = 'interval'\nblock_time = 'soon'\n";
    assert!(error(text).starts_with("dir/motet.toml:4: producer.block_time: \"soon\" is no length of time"));
    assert!(error("role = 'producer'\nrpc = [\n").starts_with("dir/motet.toml:"));
    assert!(
        error("role = 'follower'\n[follower]\nurl = 'ws://x'\n")
            .starts_with("dir/motet.toml:3: follower.url: the address")
    );
}

#[test]
fn contradictions_name_the_key() {
    for (text, told) in [
        ("role = 'producer'\n[producer]\nmining = 'interval'\n", "dir/motet.toml:3: producer.mining: an interval"),
        ("role = 'producer'\n[producer]\nblock_time = '2s'\n", "dir/motet.toml:3: producer.block_time: blocks on"),
        ("role = 'follower'\n", "dir/motet.toml:1: role: a follower needs"),
        ("role = 'engine'\n", "dir/motet.toml:1: role: the role needs"),
        ("role = 'producer'\n[follower]\nurl = 'http://x'\n", "dir/motet.toml:2: follower: only"),
        ("role = 'producer'\n[rpc]\ntls_key = 'k'\n", "dir/motet.toml:3: rpc.tls_key: rpc.tls_certificate is"),
        ("role = 'producer'\n[log]\nlevel = 'loud'\n", "dir/motet.toml:3: log.level: \"loud\" is no log level"),
    ] {
        let error = error(text);
        assert!(error.starts_with(told), "{error}");
    }
}
