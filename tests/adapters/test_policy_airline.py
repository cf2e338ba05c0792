"""The airline example: its rules, told by small stories of its own."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.policy.engine import CedarEngine
from application.policy import ToolView
from domain.facts.extract import effected, learn
from domain.facts.records import FactRecord, merged
from domain.kernel import Json, Source
from domain.tools.registration import Registration
from tests.adapters.policy_world import question

AIRLINE = Path(__file__).parents[2] / "examples" / "airline"
TEXT = (AIRLINE / "policies.cedar").read_text(encoding="utf-8")


def registrations() -> Iterator[tuple[str, Registration]]:
    for told in json.loads((AIRLINE / "tools.json").read_text(encoding="utf-8")):
        yield told.pop("name"), Registration.model_validate_json(json.dumps(told))


TOOLS = dict(registrations())
VIEWS = {
    name: ToolView(name, kept.risk, kept.reads, kept.sinks, kept.arguments, kept.facts)
    for name, kept in TOOLS.items()
}
ENGINE = CedarEngine()


class Desk:
    """A run of the agent: what it looked at, and what may follow."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], FactRecord] = {}

    def did(self, tool: str, arguments: Mapping[str, Json], output: Json) -> None:
        facts = TOOLS[tool].facts
        changed = effected(facts, arguments, self.known, Source.TOOL)
        for record in (*learn(facts, arguments, output, Source.TOOL), *changed):
            key = record.kind, record.key
            self.known[key] = merged(self.known.get(key), record)

    def may(self, tool: str, **arguments: Json) -> tuple[str, list[str]]:
        ENGINE.validate_arguments(VIEWS[tool], arguments)
        asked = replace(question(tool=VIEWS[tool], known=self.known), arguments=arguments)
        ruling = ENGINE.rule(TEXT, asked)
        return ruling.verdict.value, [each.policy for each in ruling.determined]


def flight(number: str, origin: str, destination: str, economy: int, seats: int = 9) -> dict[str, Json]:
    return {
        "flight_number": number,
        "origin": origin,
        "destination": destination,
        "scheduled_departure_time_est": "08:00:00",
        "scheduled_arrival_time_est": "10:00:00",
        "status": "available",
        "available_seats": {"basic_economy": seats, "economy": seats, "business": seats},
        "prices": {"basic_economy": economy // 2, "economy": economy, "business": economy * 3},
    }


def reservation(**changes: Json) -> dict[str, Json]:
    return {
        "reservation_id": "R1",
        "user_id": "ada",
        "origin": "AAA",
        "destination": "BBB",
        "flight_type": "one_way",
        "cabin": "economy",
        "flights": [
            {"flight_number": "X1", "date": "2024-05-20", "price": 100, "origin": "AAA", "destination": "BBB"}
        ],
        "passengers": [{"first_name": "Ada", "last_name": "L", "dob": "1990-01-01"}],
        "payment_history": [{"payment_id": "card", "amount": 100}],
        "created_at": "2024-05-10T09:00:00",
        "total_baggages": 1,
        "nonfree_baggages": 0,
        "insurance": "no",
        **changes,
    }


@pytest.fixture
def desk() -> Desk:
    """The agent looked at Ada's profile and reservation, and searched for flights."""
    desk = Desk()
    methods = {
        "card": {"source": "credit_card", "id": "card"},
        "gift": {"source": "gift_card", "amount": 60, "id": "gift"},
        "certificate": {"source": "certificate", "amount": 500, "id": "certificate"},
        "certificate2": {"source": "certificate", "amount": 500, "id": "certificate2"},
    }
    profile = {"membership": "silver", "reservations": ["R1"], "payment_methods": methods}
    desk.did("get_user_details", {"user_id": "ada"}, json.dumps(profile))
    desk.did("get_reservation_details", {"reservation_id": "R1"}, json.dumps(reservation()))
    found = [
        flight("X2", "AAA", "BBB", 150),
        flight("X3", "AAA", "BBB", 80, seats=0),
        flight("X9", "AAA", "CCC", 10),
    ]
    search = {"origin": "AAA", "destination": "BBB", "date": "2024-05-20"}
    desk.did("search_direct_flight", search, json.dumps(found))
    return desk


def booking(**changes: Json) -> dict[str, Json]:
    return {
        "user_id": "ada",
        "origin": "AAA",
        "destination": "BBB",
        "flight_type": "one_way",
        "cabin": "economy",
        "flights": [{"flight_number": "X2", "date": "2024-05-20"}],
        "passengers": [{"first_name": "Ada", "last_name": "L", "dob": "1990-01-01"}],
        "payment_methods": [{"payment_id": "card", "amount": 150}],
        "total_baggages": 2,
        "nonfree_baggages": 0,
        "insurance": "no",
        **changes,
    }


def test_the_example_holds_together() -> None:
    for view in VIEWS.values():
        ENGINE.check_tool(view)
    ENGINE.check(TEXT, list(VIEWS.values()))


@pytest.mark.parametrize("tool", [name for name, kept in TOOLS.items() if kept.risk != "write"])
def test_looking_things_up_and_handing_over_are_always_allowed(tool: str) -> None:
    samples = {"date": "2024-05-20", "origin": "AAA", "destination": "BBB"}
    properties = TOOLS[tool].arguments["properties"]
    assert Desk().may(tool, **{name: samples.get(name, "x") for name in properties})[0] == "allow"


def test_a_booking_as_it_should_be_is_allowed(desk: Desk) -> None:
    assert desk.may("book_reservation", **booking()) == ("allow", ["serve"])


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ({"user_id": "bob", "payment_methods": []}, "book-for-known-user"),
        ({"payment_methods": [{"payment_id": "stolen", "amount": 150}]}, "book-own-payment"),
        ({"payment_methods": [{"payment_id": "card", "amount": 149}]}, "book-exact-price"),
        ({"insurance": "yes"}, "book-exact-price"),
        (
            {
                "payment_methods": [
                    {"payment_id": "certificate", "amount": 75},
                    {"payment_id": "certificate2", "amount": 75},
                ]
            },
            "book-few-payments",
        ),
        (
            {"payment_methods": [{"payment_id": "gift", "amount": 70}, {"payment_id": "card", "amount": 80}]},
            "book-covered-payment",
        ),
        ({"total_baggages": 3}, "book-free-bags"),
        ({"flights": [{"flight_number": "X3", "date": "2024-05-20"}]}, "book-free-seats"),
        ({"flights": [{"flight_number": "X9", "date": "2024-05-20"}]}, "book-whole-route"),
        ({"flight_type": "round_trip"}, "book-whole-route"),
        ({"flights": [{"flight_number": "X2", "date": "2024-05-14"}]}, "book-future-flights"),
        (
            {
                "passengers": [
                    {"first_name": "A", "last_name": str(n), "dob": "1990-01-01"} for n in range(6)
                ],
                "payment_methods": [{"payment_id": "card", "amount": 900}],
            },
            "book-at-most-five",
        ),
    ],
)
def test_a_booking_that_the_record_contradicts_is_denied(
    desk: Desk, changes: dict[str, Json], policy: str
) -> None:
    verdict, policies = desk.may("book_reservation", **booking(**changes))
    assert verdict == "deny"
    assert policy in policies


def test_a_booking_of_a_flight_that_nobody_searched_for_is_asked(desk: Desk) -> None:
    unseen = booking(flights=[{"flight_number": "X2", "date": "2024-05-21"}])
    assert desk.may("book_reservation", **unseen) == ("ask", ["book-flights-that-were-found"])


def change(**changes: Json) -> dict[str, Json]:
    flights = [{"flight_number": "X2", "date": "2024-05-20"}]
    return {"reservation_id": "R1", "cabin": "economy", "flights": flights, "payment_id": "card", **changes}


def test_a_change_to_a_flight_of_the_same_route_is_allowed(desk: Desk) -> None:
    assert desk.may("update_reservation_flights", **change()) == ("allow", ["serve"])


@pytest.mark.parametrize(
    ("changes", "policy"),
    [
        ({"reservation_id": "R2"}, "modify-known-reservation"),
        ({"payment_id": "certificate"}, "modify-no-certificate"),
        ({"payment_id": "stolen"}, "modify-own-payment"),
        ({"payment_id": "gift", "cabin": "business"}, "modify-covered-difference"),
        ({"flights": [{"flight_number": "X9", "date": "2024-05-20"}]}, "modify-same-route"),
        ({"flights": [{"flight_number": "X3", "date": "2024-05-20"}]}, "modify-to-free-seats"),
        ({"flights": [{"flight_number": "X2", "date": "2024-05-01"}]}, "modify-future-flights"),
    ],
)
def test_a_change_that_the_record_contradicts_is_denied(
    desk: Desk, changes: dict[str, Json], policy: str
) -> None:
    verdict, policies = desk.may("update_reservation_flights", **change(**changes))
    assert verdict == "deny"
    assert policy in policies


def test_basic_economy_changes_its_cabin_first_and_its_flights_then(desk: Desk) -> None:
    desk.did("get_reservation_details", {"reservation_id": "R1"}, reservation(cabin="basic_economy"))
    assert desk.may("update_reservation_flights", **change())[1] == ["modify-no-basic-economy"]
    kept = [{"flight_number": "X1", "date": "2024-05-20"}]
    upgrade = change(flights=kept)
    assert desk.may("update_reservation_flights", **upgrade)[0] == "allow"
    # The tool's output still tells the old cabin; the effect knows better.
    desk.did("update_reservation_flights", upgrade, reservation(cabin="basic_economy"))
    assert desk.may("update_reservation_flights", **change())[0] == "allow"


def test_bags_are_added_not_removed_and_only_so_many_are_free(desk: Desk) -> None:
    bags = {"reservation_id": "R1", "payment_id": "card"}
    allowed = desk.may("update_reservation_baggages", total_baggages=2, nonfree_baggages=0, **bags)
    fewer = desk.may("update_reservation_baggages", total_baggages=0, nonfree_baggages=0, **bags)
    unpaid = desk.may("update_reservation_baggages", total_baggages=3, nonfree_baggages=0, **bags)
    assert (allowed[0], fewer[1], unpaid[1]) == ("allow", ["bags-never-fewer"], ["bags-paid-for"])


def test_passengers_change_but_not_their_number(desk: Desk) -> None:
    one = {"first_name": "Eve", "last_name": "L", "dob": "1990-01-01"}
    assert desk.may("update_reservation_passengers", reservation_id="R1", passengers=[one])[0] == "allow"
    two = desk.may("update_reservation_passengers", reservation_id="R1", passengers=[one, one])
    assert two == ("deny", ["passengers-same-number"])


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, ("deny", ["cancel-with-grounds"])),
        ({"cabin": "business"}, ("allow", ["serve"])),
        ({"insurance": "yes"}, ("allow", ["serve"])),
        ({"created_at": "2024-05-15T01:00:00"}, ("allow", ["serve"])),
        ({"user_id": "bob", "cabin": "business"}, ("ask", ["modify-for-known-user"])),
        (
            {"cabin": "business", "flights": [{"flight_number": "X1", "date": "2024-05-14", "price": 1}]},
            ("ask", ["cancel-nothing-flown"]),
        ),
    ],
)
def test_cancelling_needs_grounds(
    desk: Desk, changes: dict[str, Json], verdict: tuple[str, list[str]]
) -> None:
    desk.did("get_reservation_details", {"reservation_id": "R1"}, reservation(**changes))
    assert desk.may("cancel_reservation", reservation_id="R1") == verdict


def test_a_person_looks_at_every_certificate_that_could_be_due(desk: Desk) -> None:
    assert desk.may("send_certificate", user_id="ada", amount=100) == (
        "ask",
        ["certificate-for-real-trouble"],
    )
    assert desk.may("send_certificate", user_id="ada", amount=120)[1] == ["certificate-of-right-amount"]
    profile: Json = {"membership": "regular", "reservations": ["R1"], "payment_methods": {}}
    desk.did("get_user_details", {"user_id": "ada"}, profile)
    assert desk.may("send_certificate", user_id="ada", amount=100)[1] == ["certificate-only-for-entitled"]


def test_names_and_dates_of_birth_are_never_learned(desk: Desk) -> None:
    assert "1990-01-01" not in str(desk.known)
    assert "Ada" not in str(desk.known)
