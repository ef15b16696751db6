//! Helm: the indexes of chart repositories, and charts.

pub mod chart;
pub mod index;
pub mod pull;
pub mod web;
