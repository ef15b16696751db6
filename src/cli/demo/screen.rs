//! Output to be read: aligned, coloured only on a terminal.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::Duration;

use headwater_api::Condition;
use headwater_api::condition::Status;

/// The terminal, or whatever stands in for it.
pub struct Screen {
    coloured: bool,
    steps: Cell<usize>,
}

/// How a text stands out on a terminal.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Faint,
    Green,
    Red,
}

impl Screen {
    /// Standard output; without colours where it is no terminal, or where `NO_COLOR` is set.
    pub fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { coloured: stdout().is_terminal() && !refused, steps: Cell::new(0) }
    }

    /// The first line.
    pub fn title(&self, text: &str) {
        line(&self.ink(Ink::Bold, text));
    }

    /// The next step begins.
    pub fn step(&self, text: &str) {
        self.steps.set(self.steps.get() + 1);
        line(&format!("\n{}", self.ink(Ink::Bold, &format!("{}. {text}", self.steps.get()))));
    }

    /// Something that is known now.
    pub fn fact(&self, name: &str, text: &str) {
        line(&format!("   {} {text}", self.ink(Ink::Faint, &format!("{name:<9}"))));
    }

    /// What is going on.
    pub fn progress(&self, text: &str) {
        line(&format!("   {}", self.ink(Ink::Faint, &format!("… {text}"))));
    }

    /// Something to type.
    pub fn command(&self, text: &str) {
        line(&format!("   {} {text}", self.ink(Ink::Faint, "$")));
    }

    /// A table of what the object says of itself.
    pub fn conditions(&self, conditions: &[Condition]) {
        let width = conditions.iter().map(|condition| condition.reason.len()).max().unwrap_or_default().max(10);
        line(&format!("   {}", self.ink(Ink::Faint, &format!("{:<18} {:<7} {:<width$} MESSAGE", "CONDITION", "STATUS", "REASON"))));
        for condition in conditions {
            let ink = if condition.status == Status::True { Ink::Green } else { Ink::Red };
            let status = self.ink(ink, &format!("{:<7}", condition.status.to_string()));
            line(&format!("   {:<18} {status} {:<width$} {}", condition.type_, condition.reason, condition.message));
        }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.coloured {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Bold => 1,
            Ink::Faint => 2,
            Ink::Green => 32,
            Ink::Red => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Writes a line. When nobody reads any more, the demo goes on to its end nevertheless.
fn line(text: &str) {
    drop(writeln!(stdout(), "{text}"));
}

/// A duration for people.
pub fn time(duration: Duration) -> String {
    if duration < Duration::from_secs(1) { format!("{} ms", duration.as_millis()) } else { format!("{:.1} s", duration.as_secs_f64()) }
}
