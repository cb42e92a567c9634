"""``irqvisor explore``: an interrupt at every instant of a run; what is lost is found, or shown not to exist.

* `question.py`: what is explored: scenario, design, sources, window, judges.
* `site.py`: the machine at the beginning of its window, and a walk through it.
* `bench.py`: three machines of one shape, and the examination of some instants.
* `search.py`: all instants of a window, and pairs of them: work, divided and put together again.
* `finding.py`: instants that went wrong, put together to findings.
* `report.py`, `text.py`: the certificate: what was covered, and what was not.
"""
