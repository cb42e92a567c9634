"""Predicted against published: `irqvisor validate`.

A profile holds elementary numbers only. What somebody measured as a whole - a virtual inter-processor interrupt, the
exits of an interrupt, what idling costs - is predicted from them by running, and compared.

* `checks`: what a check is: TOML, in data/checks or a user's own;
* `steps`: a small machine for hypervisors that irqvisor has no guests for: processors that execute verbs;
* `predict`: runs a check's steps and scenarios;
* `behaviour`: what must hold without any number, under every profile;
* `table`: what a person sees of it.
"""
