"""The chain of the audit log: nothing can be changed, left out, moved or put in between."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access import AuditEntry
from protocol.audit import AuditError, Head, digest, follow

WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


def log(*lines: tuple[int, str, str, str, str]) -> list[AuditEntry]:
    entries, head = [], Head()
    for at, who, role, action, text in lines:
        made = digest(head.digest, head.number + 1, at, who, role, action, text)
        head = Head(head.number + 1, made)
        entries.append(
            AuditEntry(
                number=head.number, at=at, who=who, role=role, action=action, text=text, digest=made.hex()
            )
        )
    return entries


LOG = log(*((1000 + n, "alice", "operator", "push", f"crop-model {n}") for n in range(5)))


@given(st.lists(st.tuples(st.integers(0, 2**40), WORDS, WORDS, WORDS, WORDS), max_size=6))
def test_a_log_follows_and_can_be_followed_in_parts(lines):
    entries = log(*lines)
    whole = follow(Head(), entries)
    assert whole == follow(follow(Head(), entries[:3]), entries[3:])
    assert whole.number == len(lines)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    "change", [{"who": "bob"}, {"text": "x"}, {"at": 1}, {"role": "owner"}, {"action": "x"}]
)
def test_no_field_can_be_changed(number, change):
    forged = list(LOG)
    forged[number] = forged[number].model_copy(update=change)
    with pytest.raises(AuditError, match=f"entry {number + 1} of the audit log"):
        follow(Head(), forged)


def test_a_changed_entry_with_a_new_digest_breaks_the_next():
    one = LOG[1].model_copy(update={"who": "bob"})
    made = digest(bytes.fromhex(LOG[0].digest), one.number, one.at, one.who, one.role, one.action, one.text)
    forged = [LOG[0], one.model_copy(update={"digest": made.hex()}), *LOG[2:]]
    with pytest.raises(AuditError, match="entry 3 of the audit log, or the one before it"):
        follow(Head(), forged)


@pytest.mark.parametrize(
    "forged", [LOG[1:], LOG[:2] + LOG[3:], [LOG[0], LOG[0], *LOG[1:]], [LOG[1], LOG[0]], LOG[::-1]]
)
def test_none_is_left_out_doubled_or_moved(forged):
    with pytest.raises(AuditError, match="has no entry"):
        follow(Head(), forged)


def test_fields_cannot_lend_each_other_letters():
    assert digest(bytes(32), 1, 0, "ab", "c", "", "") != digest(bytes(32), 1, 0, "a", "bc", "", "")
