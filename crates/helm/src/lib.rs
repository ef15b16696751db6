//! Helm: the indexes of chart repositories, and charts.

pub mod chart;
pub mod index;
mod printable;
pub mod pull;
pub mod web;
