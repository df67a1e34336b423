// Package attack tries to get at another hospital's data, and measures whether it did.
//
// An [Attack] is one threat of docs/threats.md, tried for real against the running system: through the library, through squirrel's
// builders, through the HTTP border, or beside the library with plain pgx on the application's own login.
//
// Nothing here trusts an error. Whether something leaked is found in three ways, and one is enough:
//
//   - every row carries its hospital's mark in record_no, a random text of this run: a foreign mark in anything that the attacker
//     received (rows, errors, responses) is a leak;
//   - every attack runs in two worlds, which agree on the attacker's hospital and on nothing else: a difference between what was
//     received in the one and in the other is a leak, be it a count, a status or an error (non-interference);
//   - the rows of the other hospitals are hashed before and after: a change is a leak too.
//
// An attack that could not be tried, because its SQL was wrong or the server was gone, counts as failed, never as refused. And
// [Walls] takes the walls down: the same attacks must then succeed, which the tests and `-control` of the demo hold against them.
package attack
