"""The hypervisor: domains, event channels, a virtual PIC, a scheduler, and the delivery designs.

It knows hardware and nothing of the laboratory. What happens often is compiled and reached from the run loop
(`loop.py`) without leaving compiled code; what happens rarely is ordinary Python (`control/`). Designs choose among
shared verbs - inject, mark an event pending, queue for the owner, wake, kick - and never import one another.
"""
