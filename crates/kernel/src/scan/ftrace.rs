//! Functions that are hooked through ftrace, from enabled_functions of tracefs. A line is a function, how many hooks it
//! has, one letter a flag, then `tramp: ADDRESS (CALLBACK)`, `->CALLER`, `ops: ADDRESS (CALLBACK)`, and on the next line
//! `direct-->TARGET`, as far as they apply; each place is `symbol+offset/size [module]`.

/// A hooked function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub symbol: String,
    /// `None`: the kernel's common entry of ftrace.
    pub trampoline: Option<String>,
    pub callback: Target,
    /// As the file has them: `R` registers are saved, `I` the function may be replaced, `D` called directly, ...
    pub flags: String,
    pub count: u64,
}

/// Where a hook leads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    pub symbol: String,
    pub offset: u64,
    /// A module; `None`: the kernel itself, or nobody known.
    pub owner: Option<String>,
}

impl Target {
    /// `symbol+0x10/0x20 [module]`, or a bare address.
    fn parse(text: &str) -> Target {
        let mut words = text.split_ascii_whitespace();
        let place = words.next().unwrap_or_default();
        let owner = words.next().map(|owner| owner.trim_matches(['[', ']']).to_owned());
        let (symbol, rest) = place.split_once('+').unwrap_or((place, ""));
        let offset = rest.split('/').next().and_then(|number| number.strip_prefix("0x"));
        let offset = offset.and_then(|number| u64::from_str_radix(number, 16).ok()).unwrap_or(0);
        Target { symbol: symbol.to_owned(), offset, owner }
    }

    /// Made by the kernel for its BPF programs.
    pub fn is_bpf(&self) -> bool {
        self.owner.as_deref() == Some("bpf") || self.symbol.starts_with("bpf_trampoline_")
    }
}

/// All hooks of the file's text.
pub fn parse(text: &str) -> Vec<Hook> {
    let mut hooks: Vec<Hook> = Vec::new();
    for line in text.lines() {
        if let Some((_, target)) = line.split_once("direct-->") {
            if let Some(hook) = hooks.last_mut() {
                hook.callback = Target::parse(target);
            }
            continue;
        }
        hooks.extend(hook(line));
    }
    hooks
}

fn hook(line: &str) -> Option<Hook> {
    let mut parts = line.split('\t');
    let (symbol, rest) = parts.next()?.split_once(" (")?;
    let (count, flags) = rest.split_once(')')?;
    let details = line.split_once('\t').map_or("", |(_, details)| details);
    // a callback stands in parentheses after the trampoline or the operations that lead to it, else after an arrow
    let after = |word: &str| details.split_once(word).map(|(_, rest)| rest);
    let inside = |rest: &str| rest.split_once(" (").and_then(|(_, rest)| rest.split(')').next()).map(str::to_owned);
    let callback = after("tramp: ").or_else(|| after("ops: ")).and_then(inside);
    let callback = callback.or_else(|| after("->").map(str::to_owned)).unwrap_or_default();
    Some(Hook {
        symbol: symbol.split_ascii_whitespace().next()?.to_owned(),
        trampoline: after("tramp: ").and_then(|rest| rest.split([' ', '\t']).next()).map(str::to_owned),
        callback: Target::parse(&callback),
        flags: flags.split_ascii_whitespace().take_while(|word| word.len() == 1).collect::<Vec<_>>().join(" "),
        count: count.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(symbol: &str, offset: u64, owner: Option<&str>) -> Target {
        Target { symbol: symbol.into(), offset, owner: owner.map(Into::into) }
    }

    #[test]
    fn reads_what_kernels_write() {
        let text = "__x64_sys_kill (1) R I     \ttramp: 0xffffffffc0a1b000 (fh_ftrace_thunk+0x10/0x40 [rooty]) ->ftrace_ops_assist_func+0x0/0x130\n\
            do_sys_open (2) R        ->ftrace_ops_list_func+0x0/0x220\n\
            tcp4_seq_show (1) R         \ttramp: ftrace_regs_caller+0x0/0x65 (kprobe_ftrace_handler+0x0/0x1d0) ->kprobe_ftrace_handler+0x0/0x1d0\n\
            security_file_open (1)    D  \ttramp: ftrace_regs_caller+0x0/0x65 (call_direct_funcs+0x0/0x20) ->call_direct_funcs+0x0/0x20\n\
            \tdirect-->bpf_trampoline_12+0x0/0x100\n";
        let hooks = parse(text);
        assert_eq!(hooks.len(), 4);
        assert_eq!(hooks[0].symbol, "__x64_sys_kill");
        assert_eq!(hooks[0].trampoline.as_deref(), Some("0xffffffffc0a1b000"));
        assert_eq!(hooks[0].callback, target("fh_ftrace_thunk", 16, Some("rooty")));
        assert_eq!((hooks[0].flags.as_str(), hooks[0].count), ("R I", 1));
        assert_eq!((hooks[1].count, &hooks[1].trampoline), (2, &None));
        assert_eq!(hooks[2].callback, target("kprobe_ftrace_handler", 0, None));
        assert!(hooks[3].callback.is_bpf());
        assert_eq!(hooks[3].flags, "D");
    }

    #[test]
    fn survives_what_it_does_not_know() {
        assert_eq!(parse("\n(\nx (\ny (1\n"), []);
        assert_eq!(parse("z (1)\n")[0].callback, Target::default());
    }
}
