"""Everything a person does with machines: describe them, run them, compare them, and read what came out.

The lab stands on `irqvisor.machine`; nothing below knows of it. What people hand in is read here, and checked
completely before anything runs:

* `scenario`: which machine, which domains, which sources, for how long (TOML);
* `profile`: what each elementary step costs, with class and source per number (TOML);
* `recording`: real interrupts, from an ftrace log.

Importing this package imports none of its modules: ``irqvisor --help`` must not wait for pydantic or Numba.
"""
