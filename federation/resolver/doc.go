// Package resolver knows who is trusted in the federations of its anchors, before anybody
// asks (OpenID Federation 1.0 §10). In the background it goes from the anchors down, by their
// lists and statements, and makes a snapshot that never changes; a question is answered from
// the newest one, without a request to anybody. What could not be fetched is taken from
// before as long as it is in force, so that one who is out of reach changes no answer about
// others. A snapshot is kept in a file and is there after a start, before any network: each
// signature is verified again then, with the keys of the anchors.
package resolver
