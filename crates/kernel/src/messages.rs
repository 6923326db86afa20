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

/// All messages since [`begin`].
pub fn all() -> String {
    MESSAGES.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
}

/// The program that the kernel refused to load or to attach, as far as the messages since [`begin`] tell.
pub fn refused_program() -> Option<String> {
    let messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    messages.iter().find_map(|message| {
        let (_, after) = message.split_once("prog '")?;
        let (name, rest) = after.split_once('\'')?;
        rest.contains("failed").then(|| name.to_owned())
    })
}

/// Notes that a program could not be attached, where libbpf did not say so itself.
pub fn attach_failed(program: &str) {
    let mut messages = MESSAGES.lock().unwrap_or_else(PoisonError::into_inner);
    messages.push(format!("prog '{program}': failed to attach"));
}

/// The hook of the group of system calls that the verifier was looking at last, where it was at one.
pub fn refused_group() -> Option<String> {
    let text = all();
    let calls = text.rmatch_indices("('").find_map(|(at, _)| {
        let name = text[at + 2..].split('\'').next()?;
        let hook = |prefix: &str, kind: &str| name.strip_prefix(prefix).map(|group| format!("{kind}:{group}"));
        hook("after_", "sys_exit").or_else(|| hook("before_", "sys_enter"))
    });
    calls.filter(|_| text.contains("tracee_groups_"))
}
