//! From tokens to a tree. Variables become places on a stack, functions entries of their table.

use std::collections::BTreeMap;

use crate::functions::{self, Function};
use crate::lex::{lex, Located, Token};
use crate::{nearest_hint, Error, Result, Template};

#[derive(Debug)]
pub enum Node {
    Text(String),
    Action(Pipe),
    If { test: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    With { test: Pipe, then: Vec<Node>, otherwise: Vec<Node> },
    Range { over: Pipe, each: Vec<Node>, otherwise: Vec<Node> },
    Template { line: usize, name: String, dot: Option<Pipe> },
    Break,
    Continue,
}

/// Commands, each of which gets the value of the one before as its last argument.
#[derive(Debug)]
pub struct Pipe {
    pub line: usize,
    /// Places of variables that take the value; a range may have two.
    pub into: Vec<usize>,
    /// They are new.
    pub declares: bool,
    pub commands: Vec<Command>,
}

#[derive(Debug)]
pub struct Command {
    pub line: usize,
    pub first: Term,
    pub rest: Vec<Term>,
}

#[derive(Debug)]
pub struct Term {
    pub base: Base,
    /// Names after it: `.Container.Name`.
    pub fields: Vec<String>,
}

#[derive(Debug)]
pub enum Base {
    Dot,
    Nil,
    Bool(bool),
    Whole(i128),
    Float(f64),
    Text(String),
    Variable(usize),
    Function(&'static Function),
    Pipe(Box<Pipe>),
}

const KEYWORDS: [&str; 11] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with", "nil"];

/// No tree is deeper: a hostile one must not overflow the stack.
const DEEPEST: usize = 100;

pub fn parse(text: &str) -> Result<Template> {
    let tokens = lex(text)?;
    let mut parser =
        Parser { tokens, at: 0, variables: vec!["$".into()], defined: BTreeMap::new(), loops: 0, depth: 0 };
    let (main, end) = parser.nodes(true)?;
    if let Some(end) = end {
        return parser.error(format!("{{{{{}}}}} ends nothing", end.word()));
    }
    Ok(Template { main, defined: parser.defined })
}

struct Parser {
    tokens: Vec<Located>,
    at: usize,
    /// In scope, by their place on the stack.
    variables: Vec<String>,
    defined: BTreeMap<String, Vec<Node>>,
    /// Ranges around.
    loops: usize,
    depth: usize,
}

/// What ends a list of nodes.
enum End {
    End,
    /// `{{else}}`, or the word after it.
    Else(Option<String>),
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            End::End => "end",
            End::Else(_) => "else",
        }
    }
}

impl Parser {
    fn line(&self) -> usize {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(1, |located| located.line)
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(Error { line: self.line(), message: message.into() })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|located| &located.token)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).map(|located| located.token.clone());
        self.at += usize::from(token.is_some());
        token
    }

    fn skip_space(&mut self) {
        self.at += usize::from(self.peek() == Some(&Token::Space));
    }

    fn take(&mut self, token: &Token) -> bool {
        self.skip_space();
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn close(&mut self, what: &str) -> Result<()> {
        if self.take(&Token::Close) {
            return Ok(());
        }
        self.error(format!("{what} has more than belongs to it"))
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Parser) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return self.error(format!("more than {DEEPEST} levels, one in another"));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// Up to the end of the text (`top`), or to what ends the list.
    fn nodes(&mut self, top: bool) -> Result<(Vec<Node>, Option<End>)> {
        let mut nodes = Vec::new();
        loop {
            match self.next() {
                None => return Ok((nodes, None)),
                Some(Token::Text(text)) => nodes.push(Node::Text(text)),
                _ => {
                    self.skip_space();
                    let word = match self.peek() {
                        Some(Token::Word(word)) if KEYWORDS.contains(&word.as_str()) => word.clone(),
                        _ => String::new(),
                    };
                    self.at += usize::from(!word.is_empty());
                    match word.as_str() {
                        "end" => {
                            self.close("end")?;
                            return Ok((nodes, Some(End::End)));
                        }
                        "else" => return Ok((nodes, Some(self.after_else()?))),
                        "define" if !top => return self.error("define belongs outside of everything else"),
                        "define" => self.define()?,
                        word => nodes.push(self.action(word)?),
                    }
                }
            }
        }
    }

    fn after_else(&mut self) -> Result<End> {
        if self.take(&Token::Close) {
            return Ok(End::Else(None));
        }
        match self.next() {
            Some(Token::Word(word)) if word == "if" || word == "with" => Ok(End::Else(Some(word))),
            _ => self.error("after else comes nothing, if or with"),
        }
    }

    fn action(&mut self, word: &str) -> Result<Node> {
        match word {
            "if" | "with" | "range" => self.branch(word),
            "template" => {
                let (line, name) = (self.line(), self.name("template")?);
                let dot = if self.take(&Token::Close) { None } else { Some(self.pipe(Token::Close, 0)?) };
                Ok(Node::Template { line, name, dot })
            }
            "block" => {
                let (line, name) = (self.line(), self.name("block")?);
                let dot = Some(self.pipe(Token::Close, 0)?);
                let body = self.body("block")?;
                self.defined.entry(name.clone()).or_insert(body);
                Ok(Node::Template { line, name, dot })
            }
            "break" | "continue" => {
                self.close(word)?;
                if self.loops == 0 {
                    return self.error(format!("{word} outside of range"));
                }
                Ok(if word == "break" { Node::Break } else { Node::Continue })
            }
            "nil" => self.error("nil is no command"),
            _ => Ok(Node::Action(self.pipe(Token::Close, 1)?)),
        }
    }

    fn name(&mut self, what: &str) -> Result<String> {
        self.skip_space();
        match self.next() {
            Some(Token::String(name)) => Ok(name),
            _ => self.error(format!("{what} needs a name in quotes")),
        }
    }

    fn define(&mut self) -> Result<()> {
        let name = self.name("define")?;
        self.close("define")?;
        let body = self.body("define")?;
        self.defined.insert(name, body);
        Ok(())
    }

    /// What another template is: it sees no variables of this one.
    fn body(&mut self, what: &str) -> Result<Vec<Node>> {
        let outer = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let loops = std::mem::take(&mut self.loops);
        let (nodes, end) = self.deeper(|parser| parser.nodes(false))?;
        (self.variables, self.loops) = (outer, loops);
        match end {
            Some(End::End) => Ok(nodes),
            _ => self.error(format!("{what} has no {{{{end}}}}")),
        }
    }

    fn branch(&mut self, word: &str) -> Result<Node> {
        let line = self.line();
        let known = self.variables.len();
        let test = self.pipe(Token::Close, if word == "range" { 2 } else { 1 })?;
        let inside = self.variables.len();
        self.loops += usize::from(word == "range");
        let (then, end) = self.deeper(|parser| parser.nodes(false))?;
        self.loops -= usize::from(word == "range");
        self.variables.truncate(inside);
        let otherwise = match end {
            Some(End::End) => Vec::new(),
            Some(End::Else(None)) => match self.deeper(|parser| parser.nodes(false))? {
                (nodes, Some(End::End)) => nodes,
                _ => return Err(Error { line, message: format!("this {word} has no {{{{end}}}}") }),
            },
            // its end is ours, too
            Some(End::Else(Some(next))) if word != "range" => vec![self.deeper(|parser| parser.branch(&next))?],
            Some(End::Else(Some(next))) => return self.error(format!("range has no else {next}")),
            None => return Err(Error { line, message: format!("this {word} has no {{{{end}}}}") }),
        };
        self.variables.truncate(known);
        Ok(match word {
            "if" => Node::If { test, then, otherwise },
            "with" => Node::With { test, then, otherwise },
            _ => Node::Range { over: test, each: then, otherwise },
        })
    }

    /// Up to `end`, which is taken. `most`: variables that it may declare.
    fn pipe(&mut self, end: Token, most: usize) -> Result<Pipe> {
        self.skip_space();
        let line = self.line();
        let (names, declares) = self.targets(most)?;
        let mut commands = Vec::new();
        loop {
            commands.push(self.command()?);
            if self.take(&end) {
                break;
            }
            if !self.take(&Token::Pipe) {
                return self.error(if end == Token::Close { "this action is not closed" } else { "a ( is not closed" });
            }
        }
        // the value may not name what it is about to declare
        let mut into = Vec::new();
        for name in names {
            into.push(if declares {
                self.variables.push(name);
                self.variables.len() - 1
            } else {
                self.variable(&name)?
            });
        }
        Ok(Pipe { line, into, declares, commands })
    }

    /// `$x :=`, `$x =`, `$i, $x :=`, or nothing.
    fn targets(&mut self, most: usize) -> Result<(Vec<String>, bool)> {
        let start = self.at;
        let mut names = Vec::new();
        while let Some(Token::Variable(name)) = self.peek().cloned() {
            self.at += 1;
            names.push(name);
            if !self.take(&Token::Comma) {
                break;
            }
            self.skip_space();
        }
        let declares = self.take(&Token::Declare);
        if names.is_empty() || !declares && !self.take(&Token::Assign) {
            self.at = start;
            return Ok((Vec::new(), false));
        }
        if names.len() > most {
            return self.error(format!("no more than {most} variables can be set here"));
        }
        self.skip_space();
        Ok((names, declares))
    }

    fn variable(&self, name: &str) -> Result<usize> {
        match self.variables.iter().rposition(|known| known == name) {
            Some(place) => Ok(place),
            None => {
                let hint = nearest_hint(name, self.variables.iter().map(String::as_str).filter(|known| *known != "$"));
                self.error(format!("unknown variable {name}{hint}"))
            }
        }
    }

    fn command(&mut self) -> Result<Command> {
        self.skip_space();
        let line = self.line();
        let Some(first) = self.term()? else { return self.error("a value is missing") };
        let mut rest = Vec::new();
        while self.peek() == Some(&Token::Space) {
            self.at += 1;
            match self.term()? {
                Some(term) => rest.push(term),
                None => break,
            }
        }
        if !rest.is_empty() && !matches!(first.base, Base::Function(_)) {
            return Err(Error { line, message: "a value that is no function has arguments".into() });
        }
        Ok(Command { line, first, rest })
    }

    fn term(&mut self) -> Result<Option<Term>> {
        let base = match self.peek().cloned() {
            Some(Token::Dot) => Base::Dot,
            // the field itself is taken below
            Some(Token::Field(_)) => {
                return Ok(Some(Term { base: Base::Dot, fields: self.fields() }));
            }
            Some(Token::Variable(name)) => Base::Variable(self.variable(&name)?),
            Some(Token::Whole(number)) => Base::Whole(number),
            Some(Token::Float(number)) => Base::Float(number),
            Some(Token::String(text)) => Base::Text(text),
            Some(Token::Word(word)) => match word.as_str() {
                "true" | "false" => Base::Bool(word == "true"),
                "nil" => Base::Nil,
                word => Base::Function(self.function(word)?),
            },
            Some(Token::LeftParen) => {
                self.at += 1;
                let pipe = self.deeper(|parser| parser.pipe(Token::RightParen, 0))?;
                return Ok(Some(Term { base: Base::Pipe(Box::new(pipe)), fields: self.fields() }));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(Term { base, fields: self.fields() }))
    }

    fn function(&self, word: &str) -> Result<&'static Function> {
        if let Some(function) = functions::by_name(word) {
            return Ok(function);
        }
        let words = functions::names().chain(KEYWORDS);
        self.error(format!("unknown function \"{word}\"{}", nearest_hint(word, words)))
    }

    fn fields(&mut self) -> Vec<String> {
        let mut fields = Vec::new();
        while let Some(Token::Field(name)) = self.peek().cloned() {
            self.at += 1;
            fields.push(name);
        }
        fields
    }
}
