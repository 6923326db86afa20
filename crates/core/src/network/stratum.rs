//! Stratum, by which miners of cryptocurrencies speak with pools: JSON-RPC, a message a line.

use serde_json::Value;

use crate::tree::Writer;

/// Bytes of a line; longer ones are none of the protocol.
pub const MOST: usize = 16 << 10;

/// Methods that name the protocol.
const PREFIXES: [&str; 2] = ["mining.", "eth_submit"];

/// One line.
pub struct Line {
    message: Value,
    length: usize,
}

impl Line {
    /// `None` for what is no message. `known`: the connection is known to speak Stratum; else the line itself must say so.
    pub fn read(line: &[u8], known: bool) -> Option<Line> {
        // other protocols of JSON are left before they are parsed
        if !known && !line.windows(8).any(|word| word == b"\"method\"") {
            return None;
        }
        let message: Value = serde_json::from_slice(line).ok()?;
        let line = Line { message, length: line.len() };
        let is_message = line.message.get("method").is_some_and(Value::is_string) || line.message.get("id").is_some();
        (is_message && (known || line.names_itself())).then_some(line)
    }

    fn method(&self) -> &str {
        self.message.get("method").and_then(Value::as_str).unwrap_or_default()
    }

    fn names_itself(&self) -> bool {
        let method = self.method();
        // `login` is how miners of CryptoNote and its kin begin
        let logs_in = method == "login" && self.param("login").is_some() && self.param("pass").is_some();
        PREFIXES.iter().any(|prefix| method.starts_with(prefix)) || logs_in
    }

    fn param(&self, name: &str) -> Option<&str> {
        self.message.get("params")?.get(name)?.as_str()
    }

    /// Who works: a wallet, or an account and a worker's name.
    fn user(&self) -> Option<&str> {
        match self.method() {
            "login" => self.param("login"),
            "mining.authorize" | "mining.submit" | "eth_submitLogin" => self.message.get("params")?.get(0)?.as_str(),
            _ => None,
        }
    }

    fn agent(&self) -> Option<&str> {
        match self.method() {
            "login" => self.param("agent"),
            "mining.subscribe" => self.message.get("params")?.get(0)?.as_str(),
            _ => None,
        }
    }

    /// A `ProtoHTTP`: what is asked for as the method, who asks among the headers.
    pub fn whole(&self, out: &mut Writer) {
        out.parts(|out| {
            out.text(if self.method().is_empty() { "response" } else { "request" });
            out.text(self.method());
            out.text("stratum");
            out.text("");
            out.text("");
            out.null();
            out.text("");
            out.number(0_u64);
            out.parts(|out| {
                for (name, value) in [("User", self.user()), ("User-Agent", self.agent())] {
                    if let Some(value) = value {
                        out.text(name);
                        out.parts(|out| out.text(value));
                    }
                }
            });
            out.number(self.length as u64);
        });
    }
}
