"""Which roots are made, and which are refused because they would lock the owner out."""

import pytest

from controller.keys import RoleChange, RootChangeError, first_root, next_root
from controller.keys.request import ask
from protocol.trust import TrustError, Verifier
from tests.support.simulator import NOW, key

KEYS = {"root": ("root",), "release": ("release",), "director": ("director",)}


def publics(*names):
    return tuple(key(name).public for name in names)


def first(thresholds=None, *, linux_only=False, **keys):
    return first_root(
        {role: publics(*names) for role, names in (KEYS | keys).items()}, thresholds or {}, issued=NOW,
        linux_only=linux_only,
    )  # fmt: skip


def change(old, now=NOW + 1, *, linux_only=False, **roles):
    return next_root(old, roles, issued=now, linux_only=linux_only)


def signed(root, *names, chain=()):
    return ask(chain, root, [], NOW, "").sign([key(name) for name in names]).items[0].signed


def ids(root, role):
    return root.roles[role].keys


def test_a_device_follows_from_each_root_to_the_next():
    one = first()
    chain = [signed(one, "root")]
    device = Verifier.enrol("dev-1", chain[0])
    two = change(one, root=RoleChange(publics("root-2"), frozenset(ids(one, "root"))))
    chain.append(signed(two, "root", "root-2", chain=chain))
    three = change(two, release=RoleChange(publics("release-2"), frozenset(ids(two, "release"))))
    chain.append(signed(three, "root-2", chain=chain))
    device = device.update_root(chain[1]).update_root(chain[2])
    assert device.root == three
    assert three.version == 3
    assert key("release").public.id not in three.keys


def test_one_of_several_keys_goes_and_the_others_stay_in_order():
    one = first({"root": 2}, root=("a", "b", "c"))
    two = change(one, root=RoleChange(publics("d"), frozenset({key("b").public.id})))
    assert ids(two, "root") == tuple(key(name).public.id for name in "acd")
    assert two.roles["root"].threshold == 2
    assert ids(two, "release") == ids(one, "release")


def test_floors_and_dates_never_go_back():
    one = first().model_copy(update={"floors": {"crop-model": 7}})
    two = change(one, now=NOW - 86_400)
    assert two.floors == {"crop-model": 7}
    assert two.issued == one.issued


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: change(first(), root=RoleChange((), frozenset(ids(first(), "root")))), "would have no key"),
        (lambda: first({"root": 3}, root=("a", "b")), "3 signatures and have 2 keys"),
        (lambda: first({"root": 0}), "0 signatures"),
        (lambda: first({"director": 2}, director=("a", "b")), "controller signs alone"),
        (lambda: first(release=("root",)), "in roles root and release"),
        (lambda: change(first(), director=RoleChange(publics("release"))), "in roles release and director"),
        (lambda: first(release=("hsm",)), "a board could not verify role release"),
        (lambda: first({"root": 2}, root=("a", "hsm")), "a board could not verify role root"),
        (lambda: change(first(), root=RoleChange(publics("hsm"), frozenset(ids(first(), "root")))),
         "a board could not verify role root"),
        (lambda: first(root=tuple(f"k{n}" for n in range(17))), "17 keys; 16"),
    ],
)  # fmt: skip
def test_what_would_lock_the_owner_out_is_refused(make, words):
    with pytest.raises(RootChangeError, match=words):
        make()


def test_es256_where_the_owner_says_linux_only_and_not_asked_again():
    one = first(release=("hsm",), linux_only=True)
    two = change(one, director=RoleChange(publics("director-2"), frozenset(ids(one, "director"))))
    assert ids(two, "release") == ids(one, "release")


def test_a_director_replaced_whole_frees_the_device_from_a_thief_who_counted_ahead():
    one = first()
    device = Verifier.enrol("dev-1", signed(one, "root"))
    device = type(device)(device.state.model_copy(update={"generation": 1 << 60, "min_root": 1}))
    two = change(one, director=RoleChange(publics("director-2"), frozenset(ids(one, "director"))))
    assert device.update_root(signed(two, "root", chain=[signed(one, "root")])).state.generation == 0
    more = change(one, director=RoleChange(publics("director-2")))
    assert device.update_root(signed(more, "root", chain=[signed(one, "root")])).state.generation == 1 << 60


def test_below_the_threshold_no_device_follows():
    one = first({"root": 2}, root=("a", "b", "c"))
    chain = [signed(one, "a", "b")]
    two = change(one, release=RoleChange(publics("release-2"), frozenset(ids(one, "release"))))
    device = Verifier.enrol("dev-1", chain[0])
    with pytest.raises(TrustError, match="1 valid signatures"):
        device.update_root(signed(two, "a", chain=chain))
    assert device.update_root(signed(two, "c", "a", chain=chain)).root == two


def test_where_boards_are_possible_only_ed25519_completes_a_document():
    """Else a root could be published that Linux agents follow and boards never can."""
    one = first({"root": 2}, root=("a", "b", "hsm"))
    request = ask([], one, [], NOW, "").sign([key("a"), key("hsm")])
    [need] = request.needs(request.items[0])
    assert (len(need.signed), need.missing) == (2, 1)
    assert request.sign([key("b")]).complete
    alone = first({"root": 2}, root=("a", "hsm"), linux_only=True)
    assert ask([], alone, [], NOW, "").sign([key("a"), key("hsm")]).complete
