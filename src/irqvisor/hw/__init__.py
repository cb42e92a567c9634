"""The hardware: processor, interrupt controller, timers, devices. It knows nothing of hypervisors.

State is records (`state.py`), behaviour is functions over them, time is cycles of one clock. The processor runs until
it meets something that is not its own - a hypercall, an interrupt for the hypervisor, a store somebody watches - and
says so (`outcome.py`).
"""
