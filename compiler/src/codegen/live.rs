// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//! Functions that nothing leads to any more, since all calls of them have been inlined.

use super::{Code, Target};
use crate::module::Module;
use crate::plan::{Plan, Symbol};
use std::collections::{BTreeMap, BTreeSet};

/// Functions of the module that code leads to, of those with a property.
pub fn called(
    module: &Module<'_>,
    codes: &[Code],
    wanted: impl Fn(&Symbol) -> bool,
) -> BTreeSet<Symbol> {
    let imported = module.imported_functions() as u32;
    let relocations = codes.iter().flat_map(|code| &code.relocations);
    let targets = relocations.filter_map(|relocation| match relocation.target {
        Target::Symbol(symbol @ Symbol::Function(index)) if index >= imported => Some(symbol),
        _ => None,
    });
    targets.filter(wanted).collect()
}

/// Takes away the code of functions that neither exports nor references nor other code lead to.
/// They keep their places in the list, without bytes. (Where nothing leads in, none was called to
/// begin with, and all stay.)
pub fn drop_unreachable(module: &Module<'_>, plan: &Plan<'_>, codes: &mut [Code]) {
    let place: BTreeMap<Symbol, usize> = codes
        .iter()
        .enumerate()
        .map(|(index, code)| (code.symbol, index))
        .collect();
    let kept = module
        .exported_functions()
        .chain(plan.funcrefs.iter().copied());
    let kept = kept.filter_map(|function| place.get(&Symbol::Function(function)).copied());
    let own = |code: &Code| !matches!(code.symbol, Symbol::Function(_));
    let mut live: Vec<bool> = codes.iter().map(own).collect();
    let mut open: Vec<usize> = (0..codes.len()).filter(|&index| live[index]).collect();
    for function in kept {
        if !std::mem::replace(&mut live[function], true) {
            open.push(function);
        }
    }
    if !codes
        .iter()
        .zip(&live)
        .any(|(code, live)| *live && !own(code))
    {
        return;
    }
    while let Some(code) = open.pop() {
        for relocation in &codes[code].relocations {
            if let Target::Symbol(symbol) = relocation.target
                && let Some(&target) = place.get(&symbol)
                && !std::mem::replace(&mut live[target], true)
            {
                open.push(target);
            }
        }
    }
    for (code, live) in codes.iter_mut().zip(live) {
        if !live {
            *code = Code::none(code.symbol);
        }
    }
}
