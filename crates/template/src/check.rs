//! What can be told of a template before it runs: fields and templates that there are not, and how many arguments
//! functions take.

use crate::parse::{Base, Command, Node, Pipe, Term};
use crate::value::Shape;
use crate::{nearest_hint, Error, Result, Template};

pub fn check(template: &Template, dot: &'static Shape) -> Result<()> {
    let mut checker = Checker { template, variables: vec![dot], called: Vec::new() };
    checker.nodes(&template.main, dot)?;
    // those that nothing calls are looked at, too: nothing is known of their dot
    for body in template.defined.values() {
        checker.called.clear();
        checker.variables = vec![&Shape::Any];
        checker.nodes(body, &Shape::Any)?;
    }
    Ok(())
}

struct Checker<'t> {
    template: &'t Template,
    variables: Vec<&'static Shape>,
    /// Templates on the way to here.
    called: Vec<&'t str>,
}

impl<'t> Checker<'t> {
    fn nodes(&mut self, nodes: &'t [Node], dot: &'static Shape) -> Result<()> {
        for node in nodes {
            match node {
                Node::Text(_) | Node::Break | Node::Continue => {}
                Node::Action(pipe) => {
                    self.pipe(pipe, dot)?;
                }
                Node::If { test, then, otherwise } => {
                    self.pipe(test, dot)?;
                    self.nodes(then, dot)?;
                    self.nodes(otherwise, dot)?;
                }
                Node::With { test, then, otherwise } => {
                    let inner = self.pipe(test, dot)?;
                    self.nodes(then, inner)?;
                    self.nodes(otherwise, dot)?;
                }
                Node::Range { over, each, otherwise } => {
                    let item = match self.commands(over, dot)? {
                        Shape::List(item) => item,
                        _ => &Shape::Any,
                    };
                    let count = over.into.len();
                    for (i, place) in over.into.iter().enumerate() {
                        let shape = if i + 1 == count { item } else { &Shape::Plain };
                        self.set(*place, over.declares, shape);
                    }
                    self.nodes(each, item)?;
                    self.nodes(otherwise, dot)?;
                }
                Node::Template { line, name, dot: argument } => {
                    let inner = argument.as_ref().map_or(Ok(&Shape::Any), |pipe| self.pipe(pipe, dot))?;
                    self.call(*line, name, inner)?;
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, line: usize, name: &'t str, dot: &'static Shape) -> Result<()> {
        let Some(body) = self.template.defined.get(name) else {
            let hint = nearest_hint(name, self.template.defined.keys().map(String::as_str));
            return Err(Error { line, message: format!("unknown template \"{name}\"{hint}") });
        };
        if self.called.contains(&name) {
            return Ok(());
        }
        self.called.push(name);
        let outer = std::mem::replace(&mut self.variables, vec![dot]);
        self.nodes(body, dot)?;
        self.variables = outer;
        self.called.pop();
        Ok(())
    }

    fn set(&mut self, place: usize, declares: bool, shape: &'static Shape) {
        if declares {
            self.variables.truncate(place);
            self.variables.push(shape);
        } else if let Some(known) = self.variables.get_mut(place) {
            // it may be either from now on
            *known = &Shape::Any;
        }
    }

    fn pipe(&mut self, pipe: &'t Pipe, dot: &'static Shape) -> Result<&'static Shape> {
        let shape = self.commands(pipe, dot)?;
        for place in &pipe.into {
            self.set(*place, pipe.declares, shape);
        }
        Ok(shape)
    }

    fn commands(&mut self, pipe: &'t Pipe, dot: &'static Shape) -> Result<&'static Shape> {
        let mut shape = &Shape::Any;
        for (i, command) in pipe.commands.iter().enumerate() {
            shape = self.command(command, i > 0, dot)?;
        }
        Ok(shape)
    }

    /// `piped`: it gets the value of a command before it.
    fn command(&mut self, command: &'t Command, piped: bool, dot: &'static Shape) -> Result<&'static Shape> {
        let line = command.line;
        for term in &command.rest {
            self.term(term, 0, line, dot)?;
        }
        if let Base::Function(_) = command.first.base {
            return self.term(&command.first, command.rest.len() + usize::from(piped), line, dot);
        }
        if piped {
            return Err(Error { line, message: "a value that is no function cannot take another".into() });
        }
        self.term(&command.first, 0, line, dot)
    }

    /// `arguments`: how many a function gets.
    fn term(&mut self, term: &'t Term, arguments: usize, line: usize, dot: &'static Shape) -> Result<&'static Shape> {
        let mut shape = match &term.base {
            Base::Dot => dot,
            Base::Variable(place) => self.variables.get(*place).copied().unwrap_or(&Shape::Any),
            Base::Pipe(pipe) => self.pipe(pipe, dot)?,
            Base::Function(function) => {
                if arguments < function.least || arguments > function.most {
                    return Err(Error { line, message: function.wants(arguments) });
                }
                &Shape::Any
            }
            Base::Nil | Base::Bool(_) | Base::Whole(_) | Base::Float(_) | Base::Text(_) => &Shape::Plain,
        };
        for name in &term.fields {
            shape = match shape {
                Shape::Any => &Shape::Any,
                Shape::Plain => return Err(Error { line, message: format!("what .{name} is asked of has no fields") }),
                Shape::List(_) => {
                    return Err(Error { line, message: format!(".{name} is asked of a list: range goes through it") })
                }
                Shape::Fields(fields) => match fields.iter().find(|(known, _)| known == name) {
                    Some((_, shape)) => shape,
                    None => {
                        let hint = nearest_hint(name, fields.iter().map(|(known, _)| *known));
                        return Err(Error { line, message: format!("no field .{name}{hint}") });
                    }
                },
            };
        }
        Ok(shape)
    }
}
