from tests.conftest import *
from tests.api.house import on_postgres
async def test_a(database, tmp_path):
    async with on_postgres(database, tmp_path) as house:
        await house.furnish()
