from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("host", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Headshot",
            fields=[],
            options={"proxy": True, "indexes": [], "constraints": []},
            bases=("host.portrait",),
        ),
    ]
