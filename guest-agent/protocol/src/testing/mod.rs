// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! What tests of both halves need: a wire that fails ([`wire`]) and a root task that pretends
//! ([`world`]). Nothing here is part of a product.

pub mod wire;
pub mod world;

pub use wire::{End, Faults, Wire};
pub use world::FakeWorld;
