// Package consent keeps what a person agreed to: declarations, consent versions,
// withdrawal. A consent is for one purpose, one register and one app; it is
// never edited, a change adds a version (Law 91/2025/QH15 Art. 9, Decree
// 356/2025/NĐ-CP Art. 6).
package consent
