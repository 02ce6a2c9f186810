"""Components in WebAssembly's text form, made of the body of their `handle`."""

from wasmtime import wat2wasm

from bot.plugins.sandbox.contract import Code

RESULT = "(result (result string (error string)))"
TWO_TEXTS = f'(param "first" string) (param "second" string) {RESULT}'


def component(body: str, *, memory: str = "1", extra: str = "", imports: str = "") -> Code:
    """`body` is the code of `handle`, which returns the address of its result.

    It can use $say: it makes a result of (tag, address, length), and the host's call as $call.
    """
    text = f"""
(component
  {imports}
  (import "call" (func $call {TWO_TEXTS}))
  (core module $parts
    (memory (export "memory") {memory})
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (block $enough (loop $grow
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $enough (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
        (br $grow)))
      (local.get $at)))
  (core instance $parts (instantiate $parts))
  (core func $lowered (canon lower (func $call)
    (memory (core memory $parts "memory")) (realloc (core func $parts "realloc"))))
  (core module $guest
    (import "parts" "memory" (memory 1))
    (import "host" "call" (func $call (param i32 i32 i32 i32 i32)))
    (func $say (param $tag i32) (param $at i32) (param $length i32) (result i32)
      (i32.store (i32.const 16) (local.get $tag))
      (i32.store (i32.const 20) (local.get $at))
      (i32.store (i32.const 24) (local.get $length))
      (i32.const 16))
    {extra}
    (func (export "handle") (param i32 i32 i32 i32) (result i32) {body}))
  (core instance $guest (instantiate $guest
    (with "parts" (instance $parts))
    (with "host" (instance (export "call" (func $lowered))))))
  (func (export "handle") {TWO_TEXTS}
    (canon lift (core func $guest "handle")
      (memory (core memory $parts "memory")) (realloc (core func $parts "realloc")))))
"""
    return Code.of("wasm", bytes(wat2wasm(text)))


def text_at(address: int, text: str) -> str:
    """A data segment."""
    return f'(data (i32.const {address}) "{text}")'
