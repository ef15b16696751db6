//! Helm: the indexes of chart repositories ([`index`]), downloads from them ([`web`]), charts out of registries ([`pull`](mod@pull)), and
//! the charts themselves ([`chart`]).
//!
//! - Indexes and charts mean what they mean to Helm, are packaged as Helm packages them, and are refused in its words.
//! - Every download is bounded in size and in time, and so is everything that an archive unpacks to.
//! - User names, passwords and client certificates go to the repository itself, and elsewhere only where [`web::Access`] says so.
//! - No error holds a secret; URLs in errors come without user information and query.
//! - [`chart`] knows neither networks nor clocks.
#![warn(missing_docs)]

pub mod chart;
mod decode;
pub mod index;
mod printable;
pub mod pull;
pub mod web;
