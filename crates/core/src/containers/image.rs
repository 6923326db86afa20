//! Names of images: the short ones that people write, and the full ones that runtimes tell.

use crate::pattern::Pattern;

const REGISTRY: &str = "docker.io";
const OFFICIAL: &str = "library";

/// The name with its registry, its folder and its tag: `nginx` is `docker.io/library/nginx:latest`. What is no name, such
/// as an image's digest, stays as it is.
pub fn full(name: &str) -> String {
    if name.is_empty() || name.starts_with("sha256:") {
        return name.to_owned();
    }
    let (before, digest) = name.split_once('@').map_or((name, None), |(before, digest)| (before, Some(digest)));
    let (first, rest) = before.split_once('/').unwrap_or(("", before));
    let is_registry = first.contains(['.', ':']) || first == "localhost";
    let mut found = match (is_registry, first) {
        (true, "index.docker.io") => format!("{REGISTRY}/{rest}"),
        (true, _) => before.to_owned(),
        (false, "") => format!("{REGISTRY}/{OFFICIAL}/{rest}"),
        (false, _) => format!("{REGISTRY}/{before}"),
    };
    if let Some(image) = found.strip_prefix("docker.io/").filter(|image| !image.contains('/')) {
        found = format!("{REGISTRY}/{OFFICIAL}/{image}");
    }
    let last = found.rsplit('/').next().unwrap_or("");
    match digest {
        Some(digest) => format!("{found}@{digest}"),
        None if !last.contains(':') => format!("{found}:latest"),
        None => found,
    }
}

/// The name as people write it: `nginx:latest`.
fn short(full: &str) -> Option<&str> {
    let image = full.strip_prefix("docker.io/")?;
    Some(image.strip_prefix("library/").unwrap_or(image))
}

/// What an image's name is compared with.
#[derive(Debug, Clone)]
pub struct ImagePattern {
    pattern: Pattern,
    /// The full name, of a word without `*`.
    exact: Option<String>,
}

impl ImagePattern {
    pub fn new(word: &str) -> ImagePattern {
        ImagePattern { pattern: Pattern::new(word), exact: (!word.contains('*')).then(|| full(word)) }
    }

    /// Whether an image may be called so, however long either name is.
    pub fn matches(&self, image: &str) -> bool {
        let whole = full(image);
        match &self.exact {
            Some(exact) => *exact == whole || self.pattern.matches(image.as_bytes()),
            None => {
                let names = [Some(image), Some(&*whole), short(&whole)];
                names.into_iter().flatten().any(|name| self.pattern.matches(name.as_bytes()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names() {
        for (name, whole) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/library/nginx:latest", "docker.io/library/nginx:latest"),
            ("grafana/grafana", "docker.io/grafana/grafana:latest"),
            ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
            ("localhost/mine", "localhost/mine:latest"),
            ("localhost:5000/mine", "localhost:5000/mine:latest"),
            ("nginx@sha256:00ff", "docker.io/library/nginx@sha256:00ff"),
            ("sha256:00ff", "sha256:00ff"),
            ("", ""),
        ] {
            assert_eq!(full(name), whole, "{name}");
            assert_eq!(full(whole), whole, "{whole}");
        }
    }

    #[test]
    fn short_names_match_full_ones() {
        let matches = |word: &str, image: &str| ImagePattern::new(word).matches(image);
        assert!(matches("nginx:latest", "docker.io/library/nginx:latest"));
        assert!(matches("nginx", "docker.io/library/nginx:latest"));
        assert!(matches("docker.io/library/nginx:latest", "nginx"));
        assert!(!matches("nginx:1.27", "docker.io/library/nginx:latest"));
        assert!(!matches("nginx", "docker.io/library/nginx:1.27"));
        assert!(matches("nginx:*", "docker.io/library/nginx:1.27"));
        assert!(matches("docker.io/library/*", "nginx"));
        assert!(matches("*/nginx:latest", "nginx"));
        assert!(matches("grafana/*", "docker.io/grafana/grafana:11"));
        assert!(!matches("nginx:*", "evil.example/nginx:1"));
        assert!(matches("sha256:00ff", "sha256:00ff"));
    }
}
