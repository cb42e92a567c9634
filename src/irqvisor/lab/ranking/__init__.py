"""Which design comes first, how sure that is, and what would change it: `compare --sensitivity` and `--explain`.

Everything here runs the machine again with other numbers in its profile; nothing is computed by a formula of costs.

* `measures`: what designs can be ranked by;
* `experiments`: runs under changed profiles, each done once, on short windows;
* `sensitivity`: the ranges of the profile's numbers, and for each pair of designs whether its order is decided;
* `table`: what a person sees of it.
"""
