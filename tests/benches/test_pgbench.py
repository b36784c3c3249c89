"""What pgbench runs is the service's own statement, so it follows each change of that."""

from benches.api import pgbench


def test_every_parameter_of_the_statement_has_a_value() -> None:
    script = pgbench.script(tenants=5, devices_per_tenant=20)

    assert script.startswith("\\set tenant random(1, 5)\n\\set device random(1, 20)\n")
    assert "WITH ask AS (" in script
    assert script.endswith("FROM session;\n")
