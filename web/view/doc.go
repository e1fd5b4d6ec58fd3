// Package view is what people see: one struct and one template of the same name
// for each page, and the texts in Vietnamese and English. The page book, which shows every
// page with sample data, is part of its tests.
//
// A page struct carries facts, never sentences: the sentences come from the
// catalogue, by key, in the language of the reader. What is data in two languages
// (names of apps, registers, purposes) is an authz.LocalizedText. Times are UTC
// and appear in the time of Vietnam. Handlers fill a struct and call [Render];
// pages decide nothing and know no route but those they are given.
//
// Names of form fields are part of the contract with the handlers: csrf, number,
// password, code, item, decision, cancel; the search form's are those of
// [Search].
package view
