//! The first document of a text as a tree, aliases not yet expanded.

use std::collections::HashMap;

use super::Limits;
use super::error::{Error, Problem};
use super::events::{Event, Events};

/// A node's place in [`Tree::nodes`].
pub(super) type Id = usize;

/// A document.
#[derive(Default)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
    pub root: Option<Id>,
}

/// A node and the line it starts in, from 0.
pub(super) struct Node {
    pub line: usize,
    pub kind: Kind,
}

pub(super) enum Kind {
    Scalar {
        tag: Option<String>,
        text: String,
        /// As of [`Event::Scalar`].
        plain: bool,
    },
    Alias {
        name: String,
        target: Id,
    },
    List(Vec<Id>),
    /// Keys and values by turns.
    Map(Vec<Id>),
}

/// Reads the first document of a text.
pub(super) fn read(text: &[u8], limits: Limits) -> Result<Tree, Error> {
    if text.len() > limits.bytes {
        return Err(Error::TooLarge(limits.bytes));
    }
    let mut builder = Builder { events: Events::new(text), tree: Tree::default(), anchors: HashMap::new(), depth: 0, limits };
    while let Some(event) = builder.events.next()? {
        match event {
            Event::DocumentStart => {}
            Event::DocumentEnd => break,
            event => builder.tree.root = Some(builder.node(event)?),
        }
    }
    Ok(builder.tree)
}

struct Builder<'t> {
    events: Events<'t>,
    tree: Tree,
    anchors: HashMap<String, Id>,
    depth: usize,
    limits: Limits,
}

impl Builder<'_> {
    /// The node that begins with an event.
    fn node(&mut self, event: Event) -> Result<Id, Error> {
        let (anchor, kind): (_, fn(Vec<Id>) -> Kind) = match event {
            Event::Scalar { anchor, tag, text, plain } => return self.add(anchor, Kind::Scalar { tag, text, plain }),
            Event::Alias(name) => {
                let Some(&target) = self.anchors.get(&name) else {
                    let problem = Problem::new(format!("unknown anchor '{name}' referenced"));
                    return Err(Error::Syntax(problem.in_line(self.events.line())));
                };
                return self.add(None, Kind::Alias { name, target });
            }
            Event::MapStart { anchor } => (anchor, Kind::Map),
            Event::ListStart { anchor } => (anchor, Kind::List),
            Event::DocumentStart | Event::DocumentEnd | Event::End => (None, Kind::List),
        };
        if self.depth >= self.limits.depth {
            return Err(Error::TooDeep(self.limits.depth));
        }
        self.depth += 1;
        // The anchor is known inside of its node.
        let id = self.add(anchor, kind(Vec::new()))?;
        let mut items = Vec::new();
        while let Some(event) = self.events.next()?
            && event != Event::End
        {
            items.push(self.node(event)?);
        }
        if let Some(node) = self.tree.nodes.get_mut(id) {
            node.kind = kind(items);
        }
        self.depth -= 1;
        Ok(id)
    }

    fn add(&mut self, anchor: Option<String>, kind: Kind) -> Result<Id, Error> {
        let id = self.tree.nodes.len();
        if id >= self.limits.nodes {
            return Err(Error::TooMany(self.limits.nodes));
        }
        self.tree.nodes.push(Node { line: self.events.line(), kind });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }
}
