//! Draws the film: the patient's anatomy, findings and objects on it, and how the film is exposed.
//!
//! Lengths in this folder are centimetres of the body, unless a name or comment says pixels. The
//! origin is in the midline at the middle of the thorax. x points to the patient's left (the film's
//! right), y points down. Sides are indices: 0 is the patient's right, 1 the patient's left.
//!
//! Attenuation has no unit: each film's display curve maps the film's own range to grey levels. A
//! film is made in this order: [`anatomy`] gives the depth of tissue at each point; [`skeleton`],
//! [`device`] and [`object`] give strokes, which [`canvas`] draws; [`lesion`] changes the tissue;
//! [`render`] adds up the attenuation of all these; [`exposure`] turns the sum into grey levels.

mod anatomy;
mod canvas;
mod device;
mod exposure;
mod functions;
mod lesion;
mod marker;
mod object;
mod render;
mod skeleton;
mod stroke;

pub use object::{Form, Object};
pub(crate) use render::{Drawn, Scene};
