"""/api/v1/"""

from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts.audit.api import AuditEventViewSet
from accounts.keys.api import ApiKeyViewSet
from accounts.users.api import MeView
from gallery.api import GalleryViewSet, IdentityViewSet
from gallery.curation.api import MergeView, RejectSampleView, SplitView, UndoView
from gallery.curation.samples_api import SampleViewSet
from gallery.members_api import MemberViewSet
from recognition.analysis.api import ComparisonViewSet, DetectionViewSet, EmbeddingViewSet, SearchView
from recognition.api import IdentitySamplesView, PackViewSet, RecognitionViewSet, RejectFaceView
from recognition.calibration.api import ApplyCalibrationView, CalibrationView
from recognition.evaluations.api import EvaluationViewSet
from recognition.health.api import FindingsView, FindingView, HealthView, RestoreFindingView
from recognition.imports.api import ImportViewSet
from recognition.privacy.api import ErasureViewSet, RetentionView, SubjectErasureView, SubjectExportView
from recognition.reembedding.api import ReEmbeddingViewSet

app_name = "api"

COLLECTION = {"get": "list", "post": "create"}
ITEM = {"get": "retrieve", "patch": "partial_update", "delete": "destroy"}
READ_AND_DELETE = {"get": "retrieve", "delete": "destroy"}

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("galleries", GalleryViewSet.as_view(COLLECTION), name="gallery-list"),
    path("galleries/<slug:slug>", GalleryViewSet.as_view(ITEM), name="gallery-detail"),
    path("galleries/<slug:slug>/retention", RetentionView.as_view(), name="gallery-retention"),
    path("galleries/<slug:slug>/health", HealthView.as_view(), name="health"),
    path("galleries/<slug:slug>/health/findings", FindingsView.as_view(), name="health-findings"),
    path("health-findings/<uuid:pk>/dismiss", FindingView.as_view(), name="dismiss-finding"),
    path("health-findings/<uuid:pk>/restore", RestoreFindingView.as_view(), name="restore-finding"),
    path("galleries/<slug:slug>/calibration", CalibrationView.as_view(), name="calibration"),
    path("galleries/<slug:slug>/calibration/apply", ApplyCalibrationView.as_view(), name="apply-calibration"),
    path("galleries/<slug:slug>/reembeddings", ReEmbeddingViewSet.as_view(COLLECTION), name="reembedding-list"),
    *(
        path(
            f"galleries/<slug:slug>/{address}", ReEmbeddingViewSet.as_view({method: action}), name=f"reembedding-{name}"
        )
        for address, method, action, name in (
            ("reembeddings/<uuid:pk>", "get", "retrieve", "detail"),
            ("reembeddings/<uuid:pk>/preview", "get", "preview", "preview"),
            ("reembeddings/<uuid:pk>/cut-over", "post", "cut_over", "cut-over"),
            ("reembeddings/<uuid:pk>/stop", "post", "stop", "stop"),
            ("pack/back", "post", "back", "back"),
            ("pack/forget-old", "post", "forget_old", "forget-old"),
        )
    ),
    path("galleries/<slug:slug>/members", MemberViewSet.as_view({"get": "list"}), name="member-list"),
    path(
        "galleries/<slug:slug>/members/<str:username>",
        MemberViewSet.as_view({"put": "update", "delete": "destroy"}),
        name="member-detail",
    ),
    path("identities", IdentityViewSet.as_view(COLLECTION), name="identity-list"),
    path("identities/<uuid:pk>", IdentityViewSet.as_view(ITEM), name="identity-detail"),
    path("identities/<uuid:pk>/samples", IdentitySamplesView.as_view(), name="identity-samples"),
    path("identities/<uuid:pk>/merge", MergeView.as_view(), name="identity-merge"),
    path("identities/<uuid:pk>/split", SplitView.as_view(), name="identity-split"),
    path("identities/<uuid:pk>/export", SubjectExportView.as_view(), name="identity-export"),
    path("identities/<uuid:pk>/erasure", SubjectErasureView.as_view(), name="identity-erasure"),
    path("samples/<uuid:pk>", SampleViewSet.as_view(ITEM), name="sample-detail"),
    path("samples/<uuid:pk>/reject", RejectSampleView.as_view(), name="sample-reject"),
    path("samples/<uuid:pk>/crop.jpg", SampleViewSet.as_view({"get": "crop"}), name="sample-crop"),
    path("recognitions", RecognitionViewSet.as_view(COLLECTION), name="recognition-list"),
    path("recognitions/<uuid:pk>", RecognitionViewSet.as_view(READ_AND_DELETE), name="recognition-detail"),
    path(
        "recognitions/<uuid:pk>/annotated.jpg",
        RecognitionViewSet.as_view({"get": "annotated"}),
        name="recognition-annotated",
    ),
    path("recognitions/<uuid:pk>/faces/<int:index>/reject", RejectFaceView.as_view(), name="recognition-face-reject"),
    path("detections", DetectionViewSet.as_view({"post": "create"}), name="detection-list"),
    path("detections/<uuid:pk>", DetectionViewSet.as_view({"get": "retrieve"}), name="detection-detail"),
    path("embeddings", EmbeddingViewSet.as_view({"post": "create"}), name="embedding-list"),
    path("embeddings/<uuid:pk>", EmbeddingViewSet.as_view({"get": "retrieve"}), name="embedding-detail"),
    path("comparisons", ComparisonViewSet.as_view({"post": "create"}), name="comparison-list"),
    path("comparisons/<uuid:pk>", ComparisonViewSet.as_view({"get": "retrieve"}), name="comparison-detail"),
    path("searches", SearchView.as_view(), name="search"),
    path("imports", ImportViewSet.as_view(COLLECTION), name="import-list"),
    path("imports/<uuid:pk>", ImportViewSet.as_view({"get": "retrieve"}), name="import-detail"),
    path("imports/<uuid:pk>/stop", ImportViewSet.as_view({"post": "stop"}), name="import-stop"),
    path("imports/<uuid:pk>/resume", ImportViewSet.as_view({"post": "resume"}), name="import-resume"),
    path("imports/<uuid:pk>/report.csv", ImportViewSet.as_view({"get": "report"}), name="import-report"),
    path("erasures", ErasureViewSet.as_view({"get": "list"}), name="erasure-list"),
    path("erasures/<uuid:pk>", ErasureViewSet.as_view({"get": "retrieve"}), name="erasure-detail"),
    path("evaluations", EvaluationViewSet.as_view({"get": "list"}), name="evaluation-list"),
    path("evaluations/<uuid:pk>", EvaluationViewSet.as_view({"get": "retrieve"}), name="evaluation-detail"),
    path("undo/<uuid:pk>", UndoView.as_view(), name="undo"),
    path("api-keys", ApiKeyViewSet.as_view(COLLECTION), name="api-key-list"),
    path("api-keys/<uuid:pk>", ApiKeyViewSet.as_view(READ_AND_DELETE), name="api-key-detail"),
    path("api-keys/<uuid:pk>/rotate", ApiKeyViewSet.as_view({"post": "rotate"}), name="api-key-rotate"),
    path("audit-events", AuditEventViewSet.as_view({"get": "list"}), name="audit-event-list"),
    path("packs", PackViewSet.as_view({"get": "list"}), name="pack-list"),
    path("packs/<str:name>", PackViewSet.as_view({"get": "retrieve"}), name="pack-detail"),
    path("", include("recognition.compreface.urls")),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(url_name="api:schema"), name="docs"),
]
