//! The first document of a text as a tree, aliases not yet expanded: the grammar over the tokens.

use std::collections::HashMap;

use super::cursor::{Cursor, syntax};
use super::scanner::{Scanner, Token};
use super::{Error, Limits};

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
        /// Not quoted and not tagged, or tagged with a lone `!`.
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
    let mut reader = Reader {
        scanner: Scanner::new(Cursor::new(text)?),
        tree: Tree::default(),
        anchors: HashMap::new(),
        prefixes: Vec::new(),
        depth: 0,
        limits,
    };
    reader.document()?;
    Ok(reader.tree)
}

/// Which nodes may stand at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    /// Also a list that is not indented.
    BlockOrList,
    Flow,
}

struct Reader {
    scanner: Scanner,
    tree: Tree,
    anchors: HashMap<String, Id>,
    /// Handles of tags and what they stand for.
    prefixes: Vec<(String, String)>,
    depth: usize,
    limits: Limits,
}

impl Reader {
    fn document(&mut self) -> Result<(), Error> {
        let root = match self.token()? {
            Token::End => return Ok(()),
            Token::Version(_) | Token::TagPrefix { .. } | Token::DocumentStart => {
                self.directives()?;
                if !self.skip_if(|token| matches!(token, Token::DocumentStart))? {
                    return Err(self.problem("did not find expected <document start>"));
                }
                let nothing = |token: &Token| {
                    use Token::{DocumentEnd, DocumentStart, End, TagPrefix, Version};
                    matches!(token, Version(_) | TagPrefix { .. } | DocumentStart | DocumentEnd | End)
                };
                self.node_unless(nothing, Place::Block)?
            }
            _ => self.node(Place::Block)?,
        };
        self.tree.root = Some(root);
        // A token that cannot be read behind the document spoils it, too.
        self.token().map(|_| ())
    }

    fn directives(&mut self) -> Result<(), Error> {
        let mut versions = 0;
        loop {
            match self.token()? {
                Token::Version(_) if versions > 0 => return Err(self.problem("found duplicate %YAML directive")),
                Token::Version(version) if version != "1.1" => return Err(self.problem("found incompatible YAML document")),
                Token::Version(_) => versions += 1,
                Token::TagPrefix { handle, prefix } => {
                    let entry = (handle.clone(), prefix.clone());
                    if self.prefixes.iter().any(|(handle, _)| *handle == entry.0) {
                        return Err(self.problem("found duplicate %TAG directive"));
                    }
                    self.prefixes.push(entry);
                }
                _ => return Ok(()),
            }
            self.scanner.next()?;
        }
    }

    /// A node, or nothing (null) before a token that can only follow one.
    fn node_unless(&mut self, follows: impl Fn(&Token) -> bool, place: Place) -> Result<Id, Error> {
        if follows(self.token()?) { self.empty() } else { self.node(place) }
    }

    fn node(&mut self, place: Place) -> Result<Id, Error> {
        let line = self.line()?;
        if let Token::Alias(name) = self.token()? {
            let name = name.clone();
            self.scanner.next()?;
            let Some(&target) = self.anchors.get(&name) else {
                return Err(Error::Syntax(format!("unknown anchor '{name}' referenced")));
            };
            return self.add(line, None, Kind::Alias { name, target });
        }
        let (anchor, tag) = self.properties()?;
        let open = match self.token()? {
            Token::Scalar { .. } => return self.scalar(line, anchor, tag),
            Token::BlockEntry if place == Place::BlockOrList => Reader::plain_list,
            Token::FlowListStart => Reader::flow_list,
            Token::FlowMapStart => Reader::flow_map,
            Token::BlockListStart if place != Place::Flow => Reader::block_list,
            Token::BlockMapStart if place != Place::Flow => Reader::block_map,
            _ if anchor.is_some() || tag.is_some() => {
                let plain = tag.is_none();
                return self.add(line, anchor, Kind::Scalar { tag, text: String::new(), plain });
            }
            _ => return Err(self.problem("did not find expected node content")),
        };
        if self.depth >= self.limits.depth {
            return Err(Error::TooDeep(self.limits.depth));
        }
        self.depth += 1;
        // The anchor is known inside of its node.
        let id = self.add(line, anchor, Kind::List(Vec::new()))?;
        let kind = open(self)?;
        if let Some(node) = self.tree.nodes.get_mut(id) {
            node.kind = kind;
        }
        self.depth -= 1;
        Ok(id)
    }

    fn scalar(&mut self, line: usize, anchor: Option<String>, tag: Option<String>) -> Result<Id, Error> {
        let Token::Scalar { text, plain } = self.scanner.next()?.token else {
            return Err(self.problem("did not find expected node content"));
        };
        let plain = tag.as_ref().map_or(plain, |tag| tag == "!");
        self.add(line, anchor, Kind::Scalar { tag, text, plain })
    }

    /// An anchor and a tag, in any order.
    fn properties(&mut self) -> Result<(Option<String>, Option<String>), Error> {
        let (mut anchor, mut tag) = (None, None);
        loop {
            match self.token()? {
                Token::Anchor(name) if anchor.is_none() => anchor = Some(name.clone()),
                Token::Tag { handle, suffix } if tag.is_none() => tag = Some((handle.clone(), suffix.clone())),
                _ => break,
            }
            self.scanner.next()?;
        }
        let tag = tag.map(|(handle, suffix)| self.resolve_handle(&handle, suffix)).transpose()?;
        Ok((anchor, tag.filter(|tag| !tag.is_empty())))
    }

    fn resolve_handle(&mut self, handle: &str, suffix: String) -> Result<String, Error> {
        let own = self.prefixes.iter().find(|(known, _)| known == handle).map(|(_, prefix)| prefix.as_str());
        let prefix = match (own, handle) {
            (_, "") => return Ok(suffix),
            (Some(prefix), _) => prefix,
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            (None, _) => return Err(self.problem("found undefined tag handle")),
        };
        Ok(format!("{prefix}{suffix}"))
    }

    /// `- a`, in a block of its own.
    fn block_list(&mut self) -> Result<Kind, Error> {
        self.scanner.next()?;
        let mut items = Vec::new();
        while self.skip_if(|token| matches!(token, Token::BlockEntry))? {
            items.push(self.node_unless(|token| matches!(token, Token::BlockEntry | Token::BlockEnd), Place::Block)?);
        }
        if !self.skip_if(|token| matches!(token, Token::BlockEnd))? {
            return Err(self.problem("did not find expected '-' indicator"));
        }
        Ok(Kind::List(items))
    }

    /// `- a`, as far left as the key before it.
    fn plain_list(&mut self) -> Result<Kind, Error> {
        let mut items = Vec::new();
        while self.skip_if(|token| matches!(token, Token::BlockEntry))? {
            let follows = |token: &Token| matches!(token, Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd);
            items.push(self.node_unless(follows, Place::Block)?);
        }
        Ok(Kind::List(items))
    }

    fn block_map(&mut self) -> Result<Kind, Error> {
        self.scanner.next()?;
        let follows = |token: &Token| matches!(token, Token::Key | Token::Value | Token::BlockEnd);
        let mut entries = Vec::new();
        while self.skip_if(|token| matches!(token, Token::Key))? {
            entries.push(self.node_unless(follows, Place::BlockOrList)?);
            let value = self.skip_if(|token| matches!(token, Token::Value))?;
            entries.push(if value { self.node_unless(follows, Place::BlockOrList)? } else { self.empty()? });
        }
        if !self.skip_if(|token| matches!(token, Token::BlockEnd))? {
            return Err(self.problem("did not find expected key"));
        }
        Ok(Kind::Map(entries))
    }

    fn flow_list(&mut self) -> Result<Kind, Error> {
        self.scanner.next()?;
        let mut items = Vec::new();
        while !self.skip_if(|token| matches!(token, Token::FlowListEnd))? {
            if !items.is_empty() {
                if !self.skip_if(|token| matches!(token, Token::FlowEntry))? {
                    return Err(self.problem("did not find expected ',' or ']'"));
                }
                if self.skip_if(|token| matches!(token, Token::FlowListEnd))? {
                    break;
                }
            }
            let line = self.line()?;
            if self.skip_if(|token| matches!(token, Token::Key))? {
                let id = self.add(line, None, Kind::Map(Vec::new()))?;
                let pair = self.flow_pair()?;
                if let Some(node) = self.tree.nodes.get_mut(id) {
                    node.kind = Kind::Map(pair);
                }
                items.push(id);
            } else {
                items.push(self.node(Place::Flow)?);
            }
        }
        Ok(Kind::List(items))
    }

    /// `a: b` in a list.
    fn flow_pair(&mut self) -> Result<Vec<Id>, Error> {
        let follows = |token: &Token| matches!(token, Token::FlowEntry | Token::FlowListEnd);
        let no_key = |token: &Token| matches!(token, Token::Value) || follows(token);
        let key = if no_key(self.token()?) {
            // Upstream loses the token behind a key that is not there.
            self.scanner.next()?;
            self.empty()?
        } else {
            self.node(Place::Flow)?
        };
        let value = self.skip_if(|token| matches!(token, Token::Value))?;
        Ok(vec![key, if value { self.node_unless(follows, Place::Flow)? } else { self.empty()? }])
    }

    fn flow_map(&mut self) -> Result<Kind, Error> {
        self.scanner.next()?;
        let follows = |token: &Token| matches!(token, Token::FlowEntry | Token::FlowMapEnd);
        let mut entries = Vec::new();
        while !self.skip_if(|token| matches!(token, Token::FlowMapEnd))? {
            if !entries.is_empty() {
                if !self.skip_if(|token| matches!(token, Token::FlowEntry))? {
                    return Err(self.problem("did not find expected ',' or '}'"));
                }
                if self.skip_if(|token| matches!(token, Token::FlowMapEnd))? {
                    break;
                }
            }
            if self.skip_if(|token| matches!(token, Token::Key))? {
                entries.push(self.node_unless(|token| matches!(token, Token::Value) || follows(token), Place::Flow)?);
                let value = self.skip_if(|token| matches!(token, Token::Value))?;
                entries.push(if value { self.node_unless(follows, Place::Flow)? } else { self.empty()? });
            } else {
                entries.push(self.node(Place::Flow)?);
                entries.push(self.empty()?);
            }
        }
        Ok(Kind::Map(entries))
    }

    fn empty(&mut self) -> Result<Id, Error> {
        let line = self.line()?;
        self.add(line, None, Kind::Scalar { tag: None, text: String::new(), plain: true })
    }

    fn add(&mut self, line: usize, anchor: Option<String>, kind: Kind) -> Result<Id, Error> {
        let id = self.tree.nodes.len();
        if id >= self.limits.nodes {
            return Err(Error::TooMany(self.limits.nodes));
        }
        self.tree.nodes.push(Node { line, kind });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        Ok(id)
    }

    fn token(&mut self) -> Result<&Token, Error> {
        self.scanner.peek().map(|placed| &placed.token)
    }

    fn line(&mut self) -> Result<usize, Error> {
        self.scanner.peek().map(|placed| placed.line)
    }

    fn skip_if(&mut self, wanted: impl Fn(&Token) -> bool) -> Result<bool, Error> {
        let found = wanted(self.token()?);
        if found {
            self.scanner.next()?;
        }
        Ok(found)
    }

    /// An error at the next token. Upstream counts its line from 0, and does not name the first.
    fn problem(&mut self, problem: &str) -> Error {
        match self.line() {
            Ok(0) => syntax(problem),
            Ok(line) => Error::Syntax(format!("line {line}: {problem}")),
            Err(error) => error,
        }
    }
}
