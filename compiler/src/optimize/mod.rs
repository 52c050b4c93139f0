// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! From the CLIF of a translation to the CLIF that machine code is selected from: what the code
//! generator's own optimizer does not do, around that optimizer.
//!
//! - [`params`](self::params): redundant block parameters go;
//! - [`edges`](self::edges): who passes arguments to which block;
//! - [`loops`](self::loops): natural loops, induction variables, how often a loop goes round;
//! - [`range`](self::range): between what bounds an integer is;
//! - [`affine`](self::affine): integers as sums without wrap;
//! - [`vectorize`](self::vectorize): loops that run as vectors;
//! - [`bits`](self::bits): masks that mask nothing go;
//! - [`checks`](self::checks): comparisons with a memory's length that follow from others go;
//! - [`addresses`](self::addresses): addresses as sums of 64 bits;
//! - [`displacement`](self::displacement): constants of addresses go into the access;
//! - [`widen`](self::widen): induction variables of 64 bits;
//! - [`exits`](self::exits): what the last branch of a loop compares;
//! - [`extend`](self::extend): zero extensions where they cost nothing;
//! - [`symbols`](self::symbols): addresses of symbols, made where they are needed.
//!
//! Everything here is near-linear in the size of the function, and exact for all inputs: what a
//! proof rests on holds at the place of the proof, whatever traps elsewhere.

mod addresses;
mod affine;
mod bits;
mod checks;
mod displacement;
mod edges;
mod exits;
mod extend;
mod loops;
mod params;
mod range;
mod symbols;
mod vectorize;
mod widen;

use crate::plan::{self, Plan};
use crate::translate;
use addresses::Memories;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::OptLevel;
use cranelift_codegen::{CodegenResult, Context};
use target_lexicon::Architecture;
use vectorize::Vectorizer;

/// What the passes have to know of the module, for all of its functions.
#[derive(Clone, Copy)]
pub struct Passes<'a> {
    memories: Memories,
    vectorizer: Option<Vectorizer<'a>>,
}

impl<'a> Passes<'a> {
    /// For the functions of a module.
    pub fn new(plan: &'a Plan<'a>, isa: &dyn TargetIsa) -> Self {
        Self {
            memories: Memories {
                machine: plan.options.target,
                region: translate::MEMORIES,
                limit: plan::memory_limit(&plan.memories),
            },
            vectorizer: Vectorizer::new(plan, plan.options, isa),
        }
    }
}

/// Optimizes the function; afterwards its dominator tree is that of the result.
///
/// # Errors
/// Where the function does not verify (only looked at if the settings say so), or is beyond what
/// the code generator can hold.
pub fn function(
    context: &mut Context,
    isa: &dyn TargetIsa,
    control: &mut ControlPlane,
    passes: Passes<'_>,
) -> CodegenResult<()> {
    context.verify_if(isa)?;
    context.compute_cfg();
    context.compute_domtree();
    context.eliminate_unreachable_code(isa)?;
    context.remove_constant_phis(isa)?;
    if isa.flags().opt_level() == OptLevel::None {
        context.func.dfg.resolve_all_aliases();
        return Ok(());
    }
    params::remove_redundant(context);
    context.func.dfg.resolve_all_aliases();
    let Passes {
        memories,
        vectorizer,
    } = passes;
    if vectorizer.is_some_and(|vectorizer| vectorizer.function(&mut context.func)) {
        context.compute_cfg();
        context.compute_domtree();
        context.verify_if(isa)?;
    }
    checks::remove_implied(context);
    bits::remove_masks(context);
    context.func.dfg.resolve_all_aliases();
    context.compute_loop_analysis();
    let mut loops = loops::Loops::new(context);
    addresses::rewrite(context, &mut loops, memories);
    context.func.dfg.resolve_all_aliases();
    context.egraph_pass(isa, control)?;
    // Of the blocks that are left, which stay from here on.
    context.compute_loop_analysis();
    exits::compare_new_values(context);
    if isa.triple().architecture == Architecture::X86_64 {
        extend::where_free(&mut context.func);
        symbols::make_again(context);
    }
    context.verify_if(isa)
}

#[cfg(test)]
mod tests;
