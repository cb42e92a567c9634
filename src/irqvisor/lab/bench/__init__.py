"""How fast irqvisor is, side by side with other emulators of the same guests, in one run.

`guests` says what is run, `runners` who runs it, `own` what only irqvisor has, `measure` takes turns and keeps the
books, `table` shows them. Other emulators are no dependency: who is not here is named and left out.
"""
