/* SPDX-License-Identifier: Apache-2.0 */
/* Demangled names without what stands in their brackets. */
#ifndef SYM_NAME_FOLD_H
#define SYM_NAME_FOLD_H

/*
 * Empties the argument lists of the demangled name @name, in place: "f<int>(char) const" becomes
 * "f<>() const". What names a thing stays: "(anonymous namespace)", the type and trait of Rust's
 * "<T as Trait>::f", "operator<" and "operator()".
 */
void name_fold(char *name);

#endif
