"""Signing in and out. The admin site has no sign-in of its own: its addresses lead here."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LoginView, LogoutView, redirect_to_login
from django.shortcuts import redirect
from django.urls import reverse

from accounts.sign_in import throttling
from faceplatform.errors import NotAllowed, TooManyAttempts


class SignIn(LoginView):
    template_name = "accounts/sign_in.html"
    redirect_authenticated_user = True

    def post(self, request, *args, **kwargs):
        username = request.POST.get("username", "")
        try:
            with throttling.attempt(request, username):
                return super().post(request, *args, **kwargs)
        except TooManyAttempts as error:
            return self._refused(error, username)

    def form_valid(self, form):
        response = super().form_valid(form)
        throttling.remember(self.request, response, form.get_user().get_username())
        return response

    def get_success_url(self):
        """Not this page itself: who is signed in already would be sent round and round."""
        url = super().get_success_url()
        return self.get_default_redirect_url() if url.partition("?")[0] == self.request.path else url

    def _refused(self, error, username):
        """The page with an unbound form: a bound one would check the password."""
        form = self.get_form_class()(self.request, initial={"username": username})
        response = self.render_to_response(self.get_context_data(form=form, refused=error.message), status=error.status)
        response["Retry-After"] = str(error.retry_after)
        return response


class SignOut(LogoutView):
    """Has the browser forget what it may still hold; browsers listen to this over https and on the machine itself."""

    def post(self, request, *args, **kwargs):
        response = super().post(request, *args, **kwargs)
        response["Clear-Site-Data"] = '"cache", "storage"'
        return response


@login_not_required
def admin_sign_in(request):
    """Where the admin site sends those who may not enter it."""
    address = request.GET.get("next", reverse("admin:index"))
    if not request.user.is_authenticated:
        return redirect_to_login(address, reverse("sign-in"))
    if not request.user.is_staff:
        raise NotAllowed("The admin site is for staff. Ask an operator to make you one of them.")
    return redirect("admin:index")
