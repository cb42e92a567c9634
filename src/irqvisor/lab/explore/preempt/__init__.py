"""Switch points of several pCPUs, bounded by how often one is preempted: ``irqvisor explore --preempt``.

    question.py     what is explored, in words that travel
    start.py        the machine when its window begins: a scenario's, or a bare one with a program
    bench.py        machines one above the other: a run, those that preempt it, those that preempt these ...
    search.py       tasks: one share of the run without preemption each; put together again
    finding.py      switch points that go wrong, put together
    explain.py      why: the instructions, and the two accesses that conflict
    report.py       the certificate
    text.py         a report as lines
    repro.py        a finding in a file, and again from it

The compiled part is `hv/explore/turns.py`.
"""
