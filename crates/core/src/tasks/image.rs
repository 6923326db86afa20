//! What a process runs: the file, and how it was called. Shared by those that forked and did not exec.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

/// With so many bytes of text in the tree, arguments and working directories are kept no more.
const MOST_DETAILS: usize = 16 << 20;

/// Bytes of text in the tree.
#[derive(Debug, Default, Clone)]
pub struct Texts(Arc<AtomicUsize>);

impl Texts {
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub struct Image {
    pub path: Arc<[u8]>,
    /// The file was no longer linked.
    pub deleted: bool,
    /// The working directory when the program began (of what was there before us, when we did); empty: not known.
    pub cwd: Box<[u8]>,
    /// The arguments, each with its NUL; empty: not known.
    pub argv: Box<[u8]>,
    /// There were more of them.
    pub argv_cut: bool,
    texts: Texts,
}

/// What an image is made of.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Parts {
    pub path: Vec<u8>,
    pub deleted: bool,
    pub cwd: Vec<u8>,
    pub argv: Vec<u8>,
    pub argv_cut: bool,
}

impl Image {
    pub fn new(parts: Parts, texts: &Texts) -> Arc<Image> {
        let Parts { path, deleted, mut cwd, mut argv, mut argv_cut } = parts;
        if texts.bytes() > MOST_DETAILS {
            (cwd, argv, argv_cut) = (Vec::new(), Vec::new(), true);
        }
        let image =
            Image { path: path.into(), deleted, cwd: cwd.into(), argv: argv.into(), argv_cut, texts: texts.clone() };
        texts.0.fetch_add(image.size(), Ordering::Relaxed);
        Arc::new(image)
    }

    /// The arguments one by one.
    pub fn arguments(&self) -> impl Iterator<Item = &[u8]> {
        let whole = self.argv.strip_suffix(b"\0").unwrap_or(&self.argv);
        let any = !self.argv.is_empty();
        any.then(|| whole.split(|byte| *byte == 0)).into_iter().flatten()
    }

    /// Whether these are what it has, and say no more than it does.
    pub fn is(&self, parts: &Parts) -> bool {
        let says_more = self.cwd.is_empty() && !parts.cwd.is_empty();
        *self.path == *parts.path && self.deleted == parts.deleted && !says_more
    }

    fn size(&self) -> usize {
        self.path.len() + self.cwd.len() + self.argv.len()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.texts.0.fetch_sub(self.size(), Ordering::Relaxed);
    }
}
