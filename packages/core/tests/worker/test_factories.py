"""Named factories: lazy, called once, with clear errors for a wrong name, factory or product."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from strands_temporal._worker.factories import NamedFactories, Variant


class Product:
    """The product of the factories in these tests."""


def factories(**given: Callable[[], Any]) -> NamedFactories[Product]:
    return NamedFactories("model", "StrandsPlugin(models=...)", given, Product, "ModelFactoryFailed")


def counting() -> tuple[Callable[[], Product], list[Product]]:
    made: list[Product] = []

    def factory() -> Product:
        made.append(Product())
        return made[-1]

    return factory, made


def test_a_factory_is_called_at_first_use_and_once() -> None:
    (one, ones), (two, twos) = counting(), counting()
    named = factories(one=one, two=two)
    assert (ones, twos) == ([], [])
    first = named.get("one")
    assert named.get("one") is first
    assert ones == [first]
    assert twos == []
    assert named.get("two") is not first


def test_a_factory_is_called_once_when_eight_threads_ask_at_the_same_time() -> None:
    made: list[Product] = []
    calls: list[None] = []
    barrier = threading.Barrier(8)
    called_again = threading.Event()

    def slow() -> Product:
        calls.append(None)
        if len(calls) > 1:
            called_again.set()
        called_again.wait(0.2)  # so that the other threads enter, if they can
        made.append(Product())
        return made[-1]

    named = factories(slow=slow)

    def ask(_: int) -> Product:
        barrier.wait(10)
        return named.get("slow")

    with ThreadPoolExecutor(8) as pool:
        products = list(pool.map(ask, range(8), timeout=30))
    assert len(made) == 1
    assert products == made * 8


async def test_a_slow_factory_leaves_the_event_loop_free_and_makes_one_product_for_all() -> None:
    calls: list[int] = []
    go_on = threading.Event()

    def slow() -> Product:
        calls.append(threading.get_ident())
        assert go_on.wait(10)
        return Product()

    other, _ = counting()
    named = factories(slow=slow, other=other)
    waiting = [asyncio.ensure_future(named.get_async("slow")) for _ in range(50)]
    impatient = waiting.pop()
    assert isinstance(await asyncio.wait_for(named.get_async("other"), 10), Product)
    impatient.cancel()  # a caller that leaves must not cancel it for the others
    waiting[0].cancel()
    go_on.set()
    products = await asyncio.wait_for(asyncio.gather(*waiting[1:]), 10)
    assert len(set(map(id, products))) == 1
    assert len(calls) == 1
    assert calls[0] != threading.get_ident()
    assert named.get("slow") is products[0]


async def test_who_waits_for_a_factory_that_fails_learns_it_and_the_next_tries_again() -> None:
    answers: list[Any] = [ConnectionError("no route"), Product()]
    go_on = threading.Event()

    def flaky() -> Product:
        assert go_on.wait(10)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    named = factories(flaky=flaky)
    waiting = [asyncio.ensure_future(named.get_async("flaky")) for _ in range(3)]
    await asyncio.sleep(0)
    go_on.set()
    outcomes = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
    assert [str(outcome) for outcome in outcomes] == [
        "ModelFactoryFailed: The factory of model 'flaky' raised ConnectionError: no route"
    ] * 3
    assert isinstance(await named.get_async("flaky"), Product)


def test_a_factory_may_ask_for_another_name_and_not_for_its_own() -> None:
    named: NamedFactories[Product] = factories(
        pair=lambda: named.get("single"), single=Product, snake=lambda: named.get("snake")
    )
    assert named.get("pair") is named.get("single")
    with pytest.raises(ApplicationError, match="asks for 'snake' itself"):
        named.get("snake")


async def test_variants_are_kept_apart_and_the_oldest_go() -> None:
    factory, made = counting()
    named = factories(one=factory)

    def variant(key: str) -> Variant[Product]:
        return Variant(key, lambda product: setattr(product, "key", key))

    shared, red = await named.get_async("one"), await named.get_async("one", variant("red"))
    assert (getattr(red, "key", None), hasattr(shared, "key")) == ("red", False)
    assert await named.get_async("one", variant("red")) is red
    assert len(made) == 2
    for number in range(32):
        await named.get_async("one", variant(str(number)))
    assert await named.get_async("one", variant("red")) is not red
    assert await named.get_async("one") is shared


async def test_a_variant_that_cannot_be_made_is_named_and_not_kept() -> None:
    def refuse(product: Product) -> None:
        raise TypeError("no such setting")

    factory, made = counting()
    named = factories(one=factory)
    for _ in range(2):
        with pytest.raises(ApplicationError) as failure:
            await named.get_async("one", Variant('{"colour": "red"}', refuse))
        assert failure.value.message == (
            'Product, the model \'one\', refused {"colour": "red"}: TypeError: no such setting'
        )
    assert len(made) == 2


def test_what_was_forgotten_is_made_anew() -> None:
    factory, made = counting()
    named = factories(one=factory)
    first = named.get("one")
    named.clear()
    assert named.get("one") is not first
    assert len(made) == 2


def test_a_factory_that_failed_is_tried_again_at_the_next_call() -> None:
    answers: list[Any] = [ConnectionError("no route"), Product()]

    def flaky() -> Product:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    named = factories(flaky=flaky)
    with pytest.raises(ApplicationError, match="no route"):
        named.get("flaky")
    assert isinstance(named.get("flaky"), Product)


def test_names_are_sorted() -> None:
    factory, _ = counting()
    assert factories(b=factory, a=factory).names == ["a", "b"]


def test_an_unknown_name_ends_the_run_and_lists_the_known_ones() -> None:
    factory, made = counting()
    with pytest.raises(ApplicationError) as failure:
        factories(claude=factory, a=factory).get("claud")
    assert failure.value.message == (
        "Unknown model 'claud'. Did you mean 'claude'? Register it in StrandsPlugin(models=...) on the "
        "worker. Known: ['a', 'claude'] [ST105: docs/messages.md#st105]"
    )
    assert failure.value.type == "ValueError"
    assert failure.value.non_retryable
    assert made == []


def test_a_raising_factory_is_named_with_its_error_and_cause() -> None:
    error = LookupError("no API key")

    def broken() -> Product:
        raise error

    with pytest.raises(ApplicationError) as failure:
        factories(claude=broken).get("claude")
    assert failure.value.message == "The factory of model 'claude' raised LookupError: no API key"
    assert failure.value.type == "ModelFactoryFailed"
    assert failure.value.non_retryable
    assert failure.value.__cause__ is error


@pytest.mark.parametrize("product", [None, "claude", Product], ids=["none", "text", "class"])
def test_a_wrong_product_is_named_and_not_kept(product: object) -> None:
    calls: list[None] = []

    def wrong() -> object:
        calls.append(None)
        return product

    named = factories(claude=wrong)
    for _ in range(2):
        with pytest.raises(ApplicationError) as failure:
            named.get("claude")
        assert f"The factory of model 'claude' returned {product!r}, not a Product" in failure.value.message
        assert "StrandsPlugin(models=...)" in failure.value.message
        assert failure.value.type == "ModelFactoryFailed"
        assert failure.value.non_retryable
    assert len(calls) == 2


def test_a_subclass_of_what_is_expected_is_welcome() -> None:
    class Special(Product):
        pass

    assert isinstance(factories(special=Special).get("special"), Special)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"claude": Product()}, TypeError, "the factory of model 'claude' is .*, which cannot be called"),
        ({"claude": None}, TypeError, "the factory of model 'claude' is None, which cannot be called"),
        ({"": Product}, ValueError, r"StrandsPlugin\(models=...\): a model name is empty"),
        ({3: Product}, TypeError, "the model name 3 is not a string"),
        ({None: Product}, TypeError, "the model name None is not a string"),
        (
            [Product],
            TypeError,
            r"StrandsPlugin: models=\[.*\] is not a mapping of names to factories. Write models=",
        ),
    ],
)
def test_misuse_is_refused_at_construction(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        NamedFactories("model", "StrandsPlugin(models=...)", given, Product, "ModelFactoryFailed")


def test_later_changes_of_the_users_mapping_change_nothing() -> None:
    given: dict[str, Callable[[], Product]] = {"one": Product}
    named = NamedFactories("model", "option", given, Product, "Failed")
    given["two"] = Product
    assert named.names == ["one"]


def test_factories_tell_whether_two_are_configured_alike() -> None:
    one, _ = counting()
    other, _ = counting()
    assert factories(a=one).factories == factories(a=one).factories
    assert factories(a=one).factories != factories(a=other).factories
    assert factories(a=one).factories != factories(b=one).factories
    used = factories(a=one)
    used.get("a")
    assert used.factories == factories(a=one).factories  # existing products do not matter
