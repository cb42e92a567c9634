"""How compiled functions become machine code: once, together with the entry that needs them.

Numba by itself generates machine code for every function, all that it calls included, and does it again for the caller:
what lies ten calls deep is optimised ten times. Here a function that only compiled code calls remains LLVM's
intermediate code (`Part`). An entry gathers the parts that it reaches and is optimised with them, once (`Whole`): only
for it there is machine code, and only it is kept in the disk cache. Three designs took 54 s to compile before, and 25 s
since.

Numba's libraries and pipelines are used as Numba 0.68 has them (numba/core/codegen.py); pyproject.toml pins it.
"""

from collections.abc import Container, Iterator
from typing import Any

from llvmlite import binding as llvm
from llvmlite.binding.newpassmanagers import create_new_module_pass_manager
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder


class _Unnoted:
    """Where a part notes its environment: no machine code would look for it."""

    def set_env(self, env_name: str, env: Any) -> None:
        """Of Numba's interface."""


class Part(JITCodeLibrary):
    """A function that only compiled code calls."""

    def finalize(self) -> None:
        """Nothing more is added; nothing is linked yet."""
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002  Numba's signature
        """There is no machine code."""
        return 0

    @property
    def codegen(self) -> Any:
        """Asked by Numba only where to note an environment."""
        return _Unnoted()


class Apart(Part):
    """A function that only compiled code calls, and that stays one: LLVM inlines it nowhere, not even into its only
    caller."""

    def finalize(self) -> None:
        """Mark it."""
        super().finalize()
        for function in self._final_module.functions:
            if not function.is_declaration:
                function.add_function_attribute("noinline")


class Whole(JITCodeLibrary):
    """An entry, with everything that it reaches."""

    def finalize(self) -> None:
        """Link, optimise and generate machine code."""
        module = self._final_module
        own = {function.name for function in module.functions if not function.is_declaration}
        libraries = list(_reached(self))
        for library in libraries:
            self._reload_init.update(library._reload_init)
        _link(module, libraries, own)
        passes, builder = self._codegen._module_pass_manager()
        _drop_errors(module, builder)
        passes.run(module, builder)
        module.verify()
        self._finalize_final_module()


def program(functions: dict[str, Any]) -> Any:
    """One optimised module of LLVM's intermediate code with these compiled functions, by the names they are to have
    there, and all that they reach."""
    libraries: dict[Any, None] = {}  # in order
    own = {}
    for name, overload in functions.items():
        libraries.update(dict.fromkeys((overload.library, *_reached(overload.library))))
        own[overload.fndesc.mangled_name] = name
    (codegen,) = {library._codegen for library in libraries}
    module = llvm.parse_assembly("")
    _link(module, list(libraries), own)
    for function in module.functions:
        function.name = own.get(function.name, function.name)
    passes, builder = codegen._module_pass_manager()
    _drop_errors(module, builder)
    passes.run(module, builder)
    module.verify()
    return module


def _link(module: Any, libraries: list[Any], own: Container[str]) -> None:
    """Link libraries into a module, which has their functions for itself alone then."""
    for library in libraries:
        linked = library._final_module if isinstance(library, Part) else library._get_module_for_linking()
        module.link_in(linked, preserve=True)
    hide_all_but(module, own)


def hide_all_but(module: Any, own: Container[str]) -> None:
    """Nobody else needs a module's functions but these by name: LLVM may inline, specialise and drop the others."""
    for function in module.functions:
        if not function.is_declaration and function.name not in own:
            function.linkage = llvm.Linkage.internal


def _drop_errors(module: Any, builder: Any) -> None:
    """Numba's functions return whether they raised, and what. Nothing here raises, unless indices are checked: once
    LLVM knows that, no caller tests it, and no call needs room for an exception."""
    passes = create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_dead_arg_elimination_pass()
    passes.run(module, builder)


def _reached(library: Any) -> Iterator[Any]:
    """The libraries that a library links, and those that parts among them link, each once."""
    seen = set()
    waiting = list(library._linking_libraries)
    while waiting:
        found = waiting.pop(0)
        if found not in seen:
            seen.add(found)
            yield found
            if isinstance(found, Part):
                waiting += found._linking_libraries


def pipeline(kind: type[JITCodeLibrary]) -> type[CompilerBase]:
    """Numba's own compiler, with libraries of this kind: the option ``pipeline_class`` of njit."""

    class Compiler(CompilerBase):
        """One function's compiler."""

        def define_pipelines(self) -> list[Any]:
            """Numba's passes for nopython mode."""
            state = self.state
            state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
            return [DefaultPassBuilder.define_nopython_pipeline(state)]

    return Compiler
