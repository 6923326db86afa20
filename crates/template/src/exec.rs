//! Runs a template.

use std::borrow::Cow;

use crate::functions::{Call, Function};
use crate::parse::{Base, Command, Node, Pipe, Term};
use crate::value::Value;
use crate::{nearest_hint, Error, Result, Template};

/// No text is longer: a template could write on for ever.
const LONGEST: usize = 1 << 20;
/// Times that bodies of ranges and templates are run.
const MOST_STEPS: u32 = 100_000;
/// Templates called by one another.
const DEEPEST: u32 = 100;

pub fn run(template: &Template, dot: &Value<'_>, out: &mut Vec<u8>) -> Result<()> {
    let end = out.len() + LONGEST;
    let mut state = State { template, out, end, variables: vec![dot.clone()], steps: 0, depth: 0 };
    state.nodes(&template.main, dot).map(|_| ())
}

/// How a list of nodes was left.
#[derive(PartialEq)]
enum Left {
    AtEnd,
    Break,
    Continue,
}

struct State<'t, 'v, 'o> {
    template: &'t Template,
    out: &'o mut Vec<u8>,
    /// It may become so long.
    end: usize,
    variables: Vec<Value<'v>>,
    steps: u32,
    depth: u32,
}

fn error<T>(line: usize, message: impl Into<String>) -> Result<T> {
    Err(Error { line, message: message.into() })
}

impl<'v> State<'_, 'v, '_> {
    fn nodes(&mut self, nodes: &[Node], dot: &Value<'v>) -> Result<Left> {
        for node in nodes {
            let left = match node {
                Node::Text(text) => self.write(text, 0).map(|()| Left::AtEnd)?,
                Node::Action(pipe) => self.action(pipe, dot).map(|()| Left::AtEnd)?,
                Node::If { test, then, otherwise } => {
                    let truth = self.pipe(test, dot)?.truth();
                    self.nodes(if truth { then } else { otherwise }, dot)?
                }
                Node::With { test, then, otherwise } => {
                    let value = self.pipe(test, dot)?;
                    if value.truth() {
                        self.nodes(then, &value)?
                    } else {
                        self.nodes(otherwise, dot)?
                    }
                }
                Node::Range { over, each, otherwise } => self.range(over, each, otherwise, dot)?,
                Node::Template { line, name, dot: argument } => {
                    let value = argument.as_ref().map_or(Ok(Value::Nil), |pipe| self.pipe(pipe, dot))?;
                    self.call(*line, name, value).map(|()| Left::AtEnd)?
                }
                Node::Break => Left::Break,
                Node::Continue => Left::Continue,
            };
            if left != Left::AtEnd {
                return Ok(left);
            }
        }
        Ok(Left::AtEnd)
    }

    fn write(&mut self, text: &str, line: usize) -> Result<()> {
        if self.out.len() + text.len() > self.end {
            return error(line, format!("the text is longer than {LONGEST} bytes"));
        }
        self.out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn action(&mut self, pipe: &Pipe, dot: &Value<'v>) -> Result<()> {
        let value = self.pipe(pipe, dot)?;
        match &value {
            _ if !pipe.into.is_empty() => Ok(()),
            Value::Text(text) => self.write(text, pipe.line),
            other => {
                let mut text = String::new();
                other.write(&mut text, "<no value>");
                self.write(&text, pipe.line)
            }
        }
    }

    fn step(&mut self, line: usize) -> Result<()> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return error(line, format!("more than {MOST_STEPS} rounds"));
        }
        Ok(())
    }

    fn call(&mut self, line: usize, name: &str, dot: Value<'v>) -> Result<()> {
        self.step(line)?;
        self.depth += 1;
        if self.depth > DEEPEST {
            return error(line, format!("more than {DEEPEST} templates call one another"));
        }
        let body = self.template.defined.get(name);
        let body = body.ok_or_else(|| Error { line, message: format!("no template \"{name}\"") })?;
        let outer = std::mem::replace(&mut self.variables, vec![dot.clone()]);
        self.nodes(body, &dot)?;
        self.variables = outer;
        self.depth -= 1;
        Ok(())
    }

    fn range(&mut self, over: &Pipe, each: &[Node], otherwise: &[Node], dot: &Value<'v>) -> Result<Left> {
        let line = over.line;
        let value = self.commands(over, dot)?;
        let mut index = 0;
        loop {
            let pair = match &value {
                Value::Nil => None,
                Value::List(items) => items.get(index).map(|item| (Value::Int(index as i64), item.clone())),
                Value::Map(entries) => entries.get(index).map(|(key, value)| (Value::Text(key.clone()), value.clone())),
                count => match count.whole() {
                    Some(count) => {
                        let number = Value::Int(index as i64);
                        (i128::try_from(index).unwrap_or(i128::MAX) < count).then(|| (number.clone(), number))
                    }
                    None => return error(line, format!("range cannot go over a {}", count.kind())),
                },
            };
            let Some((key, item)) = pair else { break };
            self.step(line)?;
            match over.into.as_slice() {
                [] => {}
                [one] => self.set(*one, over.declares, item.clone()),
                [first, second, ..] => {
                    self.set(*first, over.declares, key);
                    self.set(*second, over.declares, item.clone());
                }
            }
            if self.nodes(each, &item)? == Left::Break {
                break;
            }
            index += 1;
        }
        // one that was left by break had something, too
        if index == 0 && !value.truth() {
            return self.nodes(otherwise, dot);
        }
        Ok(Left::AtEnd)
    }

    fn set(&mut self, place: usize, declares: bool, value: Value<'v>) {
        if declares {
            // those of scopes that have been left stand there still
            self.variables.truncate(place);
            self.variables.push(value);
        } else if let Some(variable) = self.variables.get_mut(place) {
            *variable = value;
        }
    }

    fn pipe(&mut self, pipe: &Pipe, dot: &Value<'v>) -> Result<Value<'v>> {
        let value = self.commands(pipe, dot)?;
        for place in &pipe.into {
            self.set(*place, pipe.declares, value.clone());
        }
        Ok(value)
    }

    fn commands(&mut self, pipe: &Pipe, dot: &Value<'v>) -> Result<Value<'v>> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, value, dot)?);
        }
        Ok(value.unwrap_or(Value::Nil))
    }

    fn command(&mut self, command: &Command, last: Option<Value<'v>>, dot: &Value<'v>) -> Result<Value<'v>> {
        let Base::Function(function) = &command.first.base else {
            if last.is_some() {
                return error(command.line, "a value that is no function cannot take another");
            }
            return self.term(&command.first, command.line, dot);
        };
        let value = self.function(function, &command.rest, last, command.line, dot)?;
        fields(value, &command.first.fields, command.line)
    }

    fn function(
        &mut self,
        function: &Function,
        terms: &[Term],
        last: Option<Value<'v>>,
        line: usize,
        dot: &Value<'v>,
    ) -> Result<Value<'v>> {
        let mut arguments = Vec::with_capacity(terms.len() + 1);
        for term in terms {
            let value = self.term(term, line, dot)?;
            if let Call::Shortcut(stops_at) = function.call {
                // what comes after is not looked at
                if value.truth() == stops_at {
                    return Ok(value);
                }
            }
            arguments.push(value);
        }
        arguments.extend(last);
        let count = arguments.len();
        if count < function.least || count > function.most {
            return error(line, function.wants(count));
        }
        match function.call {
            Call::Shortcut(_) => Ok(arguments.pop().unwrap_or(Value::Nil)),
            Call::Plain(call) => call(&arguments).map_err(|message| Error { line, message }),
        }
    }

    fn term(&mut self, term: &Term, line: usize, dot: &Value<'v>) -> Result<Value<'v>> {
        let value: Value<'v> = match &term.base {
            Base::Dot => dot.clone(),
            Base::Nil => Value::Nil,
            Base::Bool(b) => Value::Bool(*b),
            Base::Whole(n) => Value::of_whole(*n, "number").map_err(|message| Error { line, message })?,
            Base::Float(f) => Value::Float(*f),
            Base::Text(text) => Value::Text(Cow::Owned(text.clone())),
            Base::Variable(place) => self.variables.get(*place).cloned().unwrap_or(Value::Nil),
            Base::Function(function) => self.function(function, &[], None, line, dot)?,
            Base::Pipe(pipe) => self.pipe(pipe, dot)?,
        };
        fields(value, &term.fields, line)
    }
}

fn fields<'v>(mut value: Value<'v>, names: &[String], line: usize) -> Result<Value<'v>> {
    for name in names {
        value = match &value {
            Value::Fields(fields) => match fields.field(name) {
                Some(value) => value,
                None => {
                    let hint = nearest_hint(name, fields.names().iter().copied());
                    return error(line, format!("no field .{name}{hint}"));
                }
            },
            Value::Map(entries) => {
                let place = entries.binary_search_by(|(key, _)| key.as_ref().cmp(name));
                place.map_or(Value::Nil, |at| entries[at].1.clone())
            }
            Value::Nil => Value::Nil,
            other => return error(line, format!("a {} has no field .{name}", other.kind())),
        };
    }
    Ok(value)
}
