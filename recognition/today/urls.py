from django.urls import path

from recognition.today import first_visit_views, views

urlpatterns = [
    path("", views.home, name="home"),
    path("galleries/<slug:slug>/today", views.today, name="today"),
    path("galleries/<slug:slug>/today/news", views.news, name="today-news"),
    path("galleries/<slug:slug>/first-steps", first_visit_views.first_steps, name="first-steps"),
    path("galleries/<slug:slug>/first-steps/portraits", first_visit_views.add_portraits, name="add-portraits"),
    path("galleries/<slug:slug>/remove-demo", first_visit_views.remove_demo, name="remove-demo"),
]
