from tests.insights.site import Site, models
from pathlib import Path
import csv

def test_smoke(project):
    site = Site(); site.finished_courses_log(); site.deliver(project)
    seed = list(csv.DictReader(open(project.seeds/"prediction_models.csv")))
    for r in seed:
        if r["model_id"]=="course_dropout": r["enabled"]="true"; r["analysis_interval"]="quarters"
    project.write_seed("prediction_models", seed)
    project.build()
    for t in ("dq_files","int_analyses","int_ranges","int_trainings","int_prediction_runs","rpt_predictions","rpt_insights","rpt_insight_recipients"):
        print(t); [print("  ",r) for r in project.rows(f"from {t} limit 12")]
