from bot.kernel.plugin_calls import Failure, FailureKind

"""Says in words why a component was stopped."""


# What wasmtime's text has: the kind of the failure, and what its author should know.
KNOWN: tuple[tuple[str, FailureKind, str], ...] = (
    ("all fuel consumed", "out_of_fuel", "It computed for too long."),
    ("exceeds memory limits", "out_of_memory", "It needs more memory than it may have."),
    ("memory allocation of", "out_of_memory", "It needs more memory than it may have."),
    ("resource limit exceeded", "refused", "It has too many instances, tables or memories."),
    ("call stack exhausted", "trap", "It called itself too deep."),
    # The empty stand-ins for WASI that `componentize-py --stub-wasi` puts in place.
    ("clock_now", "trap", "It asked for the time, and there is no clock: use `hubbub_plugin.now`."),
    ("get_stdout", "trap", "It wrote to stdout, which does not exist: use `hubbub_plugin.log`."),
    ("get_stderr", "trap", "It wrote to stderr, which does not exist: use `hubbub_plugin.log`."),
    ("preopens", "trap", "It opened a file, or imported a module that is not in the component."),
    ("sockets", "trap", "It opened a socket, and there is no network: use `hubbub_plugin.fetch`."),
    ("exit_exit", "trap", "It ended the process: return from `handle`."),
    ("poll", "trap", "It waited, and there is no clock."),
)


def failure_of_trap(text: str) -> Failure:
    for part, kind, words in KNOWN:
        if part in text:
            return Failure(kind, words)
    cause = text.rpartition("Caused by:")[2].strip()
    return Failure("trap", f"It crashed: {cause[:500]}.")
