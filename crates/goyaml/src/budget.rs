//! Upstream's guard against texts that consist of aliases.

use super::error::{Error, Problem};

/// The way a value came into a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is written there.
    Text,
    /// An alias stands for it, or for something around it.
    Alias,
}

/// The values that a document came to so far, and how many of them aliases brought in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    count: usize,
    in_aliases: usize,
}

impl Default for Budget {
    /// Upstream counts the document itself, too.
    fn default() -> Self {
        Self { count: 1, in_aliases: 0 }
    }
}

impl Budget {
    /// How many values there were, and one for the document.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Counts a value.
    ///
    /// # Errors
    /// [`Error::Syntax`] if aliases bring in too much.
    pub(super) fn spend(&mut self, origin: Origin) -> Result<(), Error> {
        self.count += 1;
        self.in_aliases += usize::from(origin == Origin::Alias);
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let share = self.in_aliases as f64 / self.count as f64;
        if self.in_aliases > 100 && self.count > 1000 && share > allowed_share(self.count) {
            return Err(Self::exceeded());
        }
        Ok(())
    }

    /// The error for a document that aliases bring too much into.
    pub(super) fn exceeded() -> Error {
        Error::Syntax(Problem::new("document contains excessive aliasing"))
    }
}

/// How much of a document may come from aliases: 99 % of a small one, 10 % of a large one.
fn allowed_share(count: usize) -> f64 {
    const SMALL: f64 = 400_000.0;
    const LARGE: f64 = 4_000_000.0;
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let count = count as f64;
    0.99 - 0.89 * ((count.clamp(SMALL, LARGE) - SMALL) / (LARGE - SMALL))
}
