from django.urls import path

from recognition.alerts import views, webhook_views

ALERTS = "galleries/<slug:slug>/alerts"
RULES, WEBHOOKS = f"{ALERTS}/rules", f"{ALERTS}/webhooks"

urlpatterns = [
    path(ALERTS, views.alerts, name="alerts"),
    path(f"{ALERTS}/new", views.new_alerts, name="new-alerts"),
    path(f"{ALERTS}/seen", views.see_all, name="see-alerts"),
    path(f"{ALERTS}/<uuid:pk>/seen", views.see, name="see-alert"),
    path(RULES, views.rules, name="alert-rules"),
    path(f"{RULES}/new", views.add_rule, name="add-alert-rule"),
    path(f"{RULES}/people", views.rule_people, name="alert-rule-people"),
    path(f"{RULES}/<uuid:pk>/", views.rule, name="alert-rule"),
    path(f"{RULES}/<uuid:pk>/switch", views.switch_rule, name="switch-alert-rule"),
    path(f"{RULES}/<uuid:pk>/delete", views.delete_rule, name="delete-alert-rule"),
    path(WEBHOOKS, webhook_views.webhooks, name="webhooks"),
    path(f"{WEBHOOKS}/<uuid:pk>/", webhook_views.webhook, name="webhook"),
    path(f"{WEBHOOKS}/<uuid:pk>/rotate", webhook_views.rotate, name="rotate-webhook"),
    path(f"{WEBHOOKS}/<uuid:pk>/test", webhook_views.test, name="test-webhook"),
    path(f"{WEBHOOKS}/<uuid:pk>/switch", webhook_views.switch, name="switch-webhook"),
    path(f"{WEBHOOKS}/<uuid:pk>/delete", webhook_views.delete, name="delete-webhook"),
    path(f"{WEBHOOKS}/deliveries/<uuid:pk>/replay", webhook_views.replay, name="replay-delivery"),
]
