//! What libbpf has to say goes into our errors, not to standard error.

use std::sync::{Mutex, PoisonError};

use libbpf_rs::PrintLevel;

/// Kept at most; the first ones tell the cause.
const MOST: usize = 64;

static MESSAGES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From here on messages are kept, beginning with none.
pub fn begin() {
    fn keep(_: PrintLevel, message: String) {
        let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
        if messages.len() < MOST {
            messages.push(message.trim_end().to_owned());
        }
    }
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    libbpf_rs::set_print(Some((PrintLevel::Warn, keep)));
}

/// The first message since [`begin`].
pub fn first() -> Option<String> {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner).first().cloned()
}
