"""The delivery designs, one file each, the same eight functions in the same order.

    setup(m)                 once: how interrupts are routed, what the controller is told
    on_external(m, p)        the hypervisor took an external interrupt on pCPU p (or p was idle)
    on_hcall(m, p, v, cpu)   a guest made a hypercall; returns a hcall.Answer
    on_hdec(m, p)            the hypervisor decrementer fired
    on_access(m, p, what)    the guest touched something that shows what it knows (hw/outcome.py)
    on_switch(m, p)          on the way out, who runs was chosen anew; before_entry follows
    before_entry(m, p)       last thing before a context resumes, or before the pCPU goes idle (nobody runs)
    whereabouts(m, s)        where a source's notification is (hv/state.py Where)

A step that a design does not need is one line. Designs never import one another: what they share are verbs of the
hypervisor package.
"""
