"""Host code for hot guest code: the interpreter, specialised to the words that a guest runs most.

`watcher` looks now and then where a machine's processors are. What is found often enough is translated with what its
page connects it with (`region`), by LLVM, from the verbs that the interpreter is made of (`generate`, `verbs`), kept in
the cache folder (`cache`), and put into the decoded page (`install`). Nothing that a machine does depends on when that
happens, or whether.
"""
