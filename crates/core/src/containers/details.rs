//! What is known of one container, and how formats show it.

use crate::text;

/// No text that a runtime tells is kept longer, in bytes.
const LONGEST: usize = 1024;
/// So many labels are kept; whoever asks a runtime sees to it that they are not too long altogether.
const LABELS: usize = 64;
/// Digits of an id that people go by.
const SHORT: usize = 12;

/// What a runtime tells of a container; empty where it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    pub name: String,
    pub image: String,
    pub image_digest: String,
    /// By name.
    pub labels: Vec<(String, String)>,
    pub runtime: String,
    pub pod_name: String,
    pub pod_namespace: String,
    pub pod_uid: String,
    /// The container that only holds a pod's namespaces.
    pub sandbox: bool,
}

impl Metadata {
    /// Every text cut to what is kept.
    pub fn bounded(mut self) -> Metadata {
        self.labels.truncate(LABELS);
        let texts = [
            &mut self.name,
            &mut self.image,
            &mut self.image_digest,
            &mut self.runtime,
            &mut self.pod_name,
            &mut self.pod_namespace,
            &mut self.pod_uid,
        ];
        for text in texts {
            let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
        }
        self
    }
}

/// A container, as far as it is known. Replaced as a whole when more is, so that who holds one has it as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub id: String,
    pub metadata: Metadata,
    /// When its cgroup was made, in ns since boot.
    pub made: u64,
    /// New with every change, and never 0: who has made something of it can tell that it is old.
    pub serial: u32,
    /// Its part of an event's line of JSON.
    pub json: Vec<u8>,
}

impl Details {
    pub fn new(id: String, metadata: Metadata, made: u64, serial: u32) -> Details {
        let json = json(&id, &metadata);
        Details { id, metadata, made, serial, json }
    }

    pub fn runtime(&self) -> &str {
        &self.metadata.runtime
    }

    /// What a person calls it: its name, or the start of its id.
    pub fn label(&self) -> &str {
        if self.metadata.name.is_empty() {
            self.id.get(..SHORT).unwrap_or(&self.id)
        } else {
            &self.metadata.name
        }
    }
}

/// Of a task of the host.
pub const HOST_JSON: &[u8] = br#""container":{},"kubernetes":{}"#;

fn json(id: &str, known: &Metadata) -> Vec<u8> {
    let mut out = br#""container":"#.to_vec();
    let container: [(&str, &str); 5] = [
        ("id", id),
        ("name", &known.name),
        ("image", &known.image),
        ("imageDigest", &known.image_digest),
        ("runtime", &known.runtime),
    ];
    put_texts(&mut out, container.into_iter());
    if !known.labels.is_empty() {
        out.pop();
        out.extend_from_slice(br#","labels":"#);
        put_texts(&mut out, known.labels.iter().map(|(name, label)| (name.as_str(), label.as_str())));
        out.push(b'}');
    }
    out.extend_from_slice(br#","kubernetes":"#);
    let pod: [(&str, &str); 3] =
        [("podName", &known.pod_name), ("podNamespace", &known.pod_namespace), ("podUid", &known.pod_uid)];
    if pod.iter().all(|(_, text)| text.is_empty()) {
        out.extend_from_slice(b"{}");
        return out;
    }
    put_texts(&mut out, pod.into_iter());
    out.pop();
    out.extend_from_slice(if known.sandbox { br#","sandbox":true}"# } else { br#","sandbox":false}"# });
    out
}

/// An object of texts.
fn put_texts<'a>(out: &mut Vec<u8>, texts: impl Iterator<Item = (&'a str, &'a str)>) {
    for (place, (name, value)) in texts.enumerate() {
        out.extend_from_slice(if place == 0 { br#"{""# } else { br#",""# });
        text::json(out, name.as_bytes());
        out.extend_from_slice(br#"":""#);
        text::json(out, value.as_bytes());
        out.push(b'"');
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(details: &Details) -> serde_json::Value {
        serde_json::from_slice(&[b"{", &*details.json, b"}"].concat()).expect("JSON")
    }

    #[test]
    fn json_of_a_container() {
        let metadata = Metadata { name: "we\"b".into(), image: "nginx".into(), ..Metadata::default() };
        let found = object(&Details::new("abc".into(), metadata, 0, 1));
        assert_eq!(found["container"]["id"], "abc");
        assert_eq!(found["container"]["name"], "we\"b");
        assert_eq!(found["kubernetes"], serde_json::json!({}));
        assert!(found["container"].get("labels").is_none());
    }

    #[test]
    fn json_with_labels() {
        let labels = vec![("app".into(), "we\"b".into()), ("tier".into(), String::new())];
        let metadata = Metadata { labels, pod_uid: "7".into(), ..Metadata::default() };
        let found = object(&Details::new("abc".into(), metadata, 0, 1));
        assert_eq!(found["container"]["labels"], serde_json::json!({"app": "we\"b", "tier": ""}));
        assert_eq!(found["kubernetes"]["podUid"], "7");
    }

    #[test]
    fn json_of_a_pod() {
        let metadata = Metadata { pod_name: "web-0".into(), sandbox: true, ..Metadata::default() };
        let found = object(&Details::new("abc".into(), metadata, 0, 1));
        assert_eq!(found["kubernetes"]["podName"], "web-0");
        assert_eq!(found["kubernetes"]["sandbox"], true);
        let host: serde_json::Value = serde_json::from_slice(&[b"{", HOST_JSON, b"}"].concat()).expect("JSON");
        assert_eq!(host["container"], serde_json::json!({}));
    }

    #[test]
    fn labels() {
        let id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        let mut details = Details::new(id.into(), Metadata::default(), 0, 1);
        assert_eq!(details.label(), "0123456789ab");
        details.metadata.name = "web".into();
        assert_eq!(details.label(), "web");
        assert_eq!(Details::new("bar-2".into(), Metadata::default(), 0, 1).label(), "bar-2");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = Metadata { name: "é".repeat(4000), image: "x".repeat(4000), ..Metadata::default() }.bounded();
        assert_eq!((long.name.len(), long.image.len()), (1024, 1024));
        let many = Metadata { labels: vec![Default::default(); 100], ..Metadata::default() }.bounded();
        assert_eq!(many.labels.len(), 64);
        let odd = Metadata { name: format!("x{}", "é".repeat(4000)), ..Metadata::default() }.bounded();
        assert_eq!(odd.name.len(), 1023);
    }
}
