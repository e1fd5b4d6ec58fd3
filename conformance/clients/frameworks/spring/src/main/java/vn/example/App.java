package vn.example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.util.HtmlUtils;

/** Spring Boot with Spring Security: every page wants a sign-in. */
@SpringBootApplication
@RestController
public class App {
  public static void main(String[] args) {
    SpringApplication.run(App.class, args);
  }

  @GetMapping("/")
  String front(@AuthenticationPrincipal OidcUser person) {
    return "Xin chào " + HtmlUtils.htmlEscape(person.getFullName() == null ? person.getSubject() : person.getFullName(), "UTF-8");
  }
}
